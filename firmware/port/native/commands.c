#define _POSIX_C_SOURCE 200809L
#include "port/native/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_SIZE 63u
#define DIGITS_MAX 9u
#define WORDS_MAX 4u
#define OFF_MS 500u /* long enough to be seen */

static bool parse_number(const char *word, uint32_t *number)
{
    const size_t size = strlen(word);
    if (size > DIGITS_MAX || strspn(word, "0123456789") != size)
        return false;
    *number = (uint32_t)strtoul(word, NULL, 10);
    return true;
}

static bool parse(char *line, struct command *command)
{
    char *words[WORDS_MAX];
    unsigned count = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        if (count == WORDS_MAX)
            return false;
        words[count++] = word;
    }
    command->off_ms = OFF_MS;
    return count >= 3 && strcmp(words[0], "cut") == 0 && parse_number(words[1], &command->node) &&
           parse_number(words[2], &command->operations) &&
           (count == 3 || parse_number(words[3], &command->off_ms));
}

static void end_line(char *line, size_t size, void (*obey)(const struct command *command))
{
    struct command command;
    line[size < LINE_MAX_SIZE ? size : LINE_MAX_SIZE] = 0;
    if (size <= LINE_MAX_SIZE && parse(line, &command))
        obey(&command);
    else
        fprintf(stderr, "error: that is no command: it is cut NAME WORDS [MILLISECONDS], in numbers\n");
}

bool commands_read(int fd, void (*obey)(const struct command *command))
{
    static char line[LINE_MAX_SIZE + 1];
    static size_t size; /* what is too long for `line` is counted only */
    char bytes[64];
    const ssize_t count = read(fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            end_line(line, size, obey);
            size = 0;
        } else {
            if (size < LINE_MAX_SIZE)
                line[size] = bytes[i];
            size += size <= LINE_MAX_SIZE;
        }
    }
    return count > 0;
}
