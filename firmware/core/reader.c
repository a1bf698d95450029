#include "core/reader.h"

const void *reader_take(struct reader *reader, size_t size)
{
    const uint8_t *part = reader->next;
    if (size > (size_t)(reader->end - part))
        return NULL;
    reader->next = part + size;
    return part;
}

bool reader_at_end(const struct reader *reader)
{
    return reader->next == reader->end;
}
