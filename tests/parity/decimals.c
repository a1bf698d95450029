/* decimals_read of host/data/decimals.h on texts that end where their memory ends, for the sanitizers.
 *
 * In: the inverses; then of each text size and columns, as uint32, and the text. Out, of each: lines, as uint32, and
 * the values. */
#include <stdio.h>
#include <stdlib.h>

#include "host/data/decimals.h"

static int one(const struct decimals_inverse *inverses)
{
    uint32_t head[2];

    if (fread(head, sizeof head, 1, stdin) != 1)
        return 0;
    uint8_t *text = malloc(head[0]);
    double *values = malloc(head[0] / 2 * sizeof *values);
    if (!text || !values || fread(text, 1, head[0], stdin) != head[0])
        abort();
    uint32_t lines = (uint32_t)decimals_read(text, head[0], head[1], inverses, values);
    fwrite(&lines, sizeof lines, 1, stdout);
    fwrite(values, sizeof *values, (size_t)lines * head[1], stdout);
    free(values);
    free(text);
    return 1;
}

int main(void)
{
    struct decimals_inverse inverses[DECIMALS_POWER_MAX];

    if (fread(inverses, sizeof inverses, 1, stdin) != 1)
        abort();
    while (one(inverses))
        ;
    return fflush(stdout) != 0;
}
