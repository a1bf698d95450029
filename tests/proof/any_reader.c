/* The reader as its caller may see it: what it takes is a part of exactly that size, with any contents, or is
 * refused. tests/proof/reader.c enters the real one. */
#include "core/reader.h"

#include "core/wire.h"
#include "tests/proof/any.h"
#include "tests/proof/any_reader.h"

bool any_reader_refuses;

/* A part begins where the buffer does, or ends where it does: what is read before it or behind it is an alarm. */
static uint8_t bytes[2 * WIRE_IMAGE_MAX];

const void *reader_take(struct reader *reader, size_t size)
{
    //@ check in_the_bytes: \base_addr(reader->next) == \base_addr(reader->end);
    //@ check readable: \valid_read(reader->next + (0 .. reader->end - reader->next - 1));
    //@ check never_behind_the_end: reader->next <= reader->end;
    //@ check aligned: size % 4 == 0;
    if (any_reader_refuses) {
        //@ check all_aligned: (reader->end - reader->next) % 4 == 0;
        return NULL;
    }
    if (size > WIRE_IMAGE_MAX || any_bool())
        return NULL;
    Frama_C_make_unknown((char *)bytes, sizeof bytes);
    return any_bool() ? bytes : bytes + sizeof bytes - size;
}

bool reader_at_end(const struct reader *reader)
{
    return any_bool();
}
