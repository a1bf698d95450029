/* reader_take of any size, with any number of bytes left: a multiple of 4, as any_reader.c checks. They end where
 * their buffer ends. */
#include "core/reader.h"

#include "core/wire.h"
#include "tests/proof/any.h"

static uint8_t bytes[WIRE_IMAGE_MAX];

static void take(size_t left, size_t size)
{
    struct reader reader = {bytes + sizeof bytes - left, bytes + sizeof bytes};
    const uint8_t *part = reader_take(&reader, size);
    if (size > left) {
        //@ check refused: part == \null;
    } else {
        //@ check the_next: part == bytes + (sizeof(bytes) - left);
        //@ check readable: \valid_read(part + (0 .. size - 1));
    }
    //@ check onward: bytes + (sizeof(bytes) - left) <= reader.next;
    //@ check never_behind_the_end: reader.next <= reader.end;
    reader_at_end(&reader);
}

int main(void)
{
    size_t words = any_between(0, sizeof bytes / 4);
    //@ split words;
    size_t left = 4 * words;
    take(left, any_between(0, left));
    take(left, any_between(left + 1, SIZE_MAX));
    return 0;
}
