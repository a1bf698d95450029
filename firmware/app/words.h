/* Values of 16, 32 and 64 bits and bytes, as registers carry them: the high word first, two bytes a register
 * with the first one high. No errors: ranges are the caller's to check. */
#ifndef NEURON485_APP_WORDS_H
#define NEURON485_APP_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void words_put32(uint16_t *words, uint32_t value)
{
    words[0] = (uint16_t)(value >> 16);
    words[1] = (uint16_t)value;
}

static inline uint32_t words_get32(const uint16_t *words)
{
    return (uint32_t)words[0] << 16 | words[1];
}

static inline void words_put64(uint16_t *words, uint64_t value)
{
    words_put32(words, (uint32_t)(value >> 32));
    words_put32(words + 2, (uint32_t)value);
}

static inline uint64_t words_get64(const uint16_t *words)
{
    return (uint64_t)words_get32(words) << 32 | words_get32(words + 2);
}

static inline uint32_t words_float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float words_get_float(const uint16_t *words)
{
    const uint32_t bits = words_get32(words);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double words_get_double(const uint16_t *words)
{
    const uint64_t bits = words_get64(words);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The half of a 32-bit value that stands in the register `offset` of a row of them. */
static inline uint16_t words_half(uint32_t value, uint32_t offset)
{
    return (uint16_t)(offset % 2 == 0 ? value >> 16 : value);
}

/* `count` of a value's two registers, from `offset` on. */
static inline void words_read32(uint16_t *words, uint32_t value, uint32_t offset, uint32_t count)
{
    for (uint32_t i = offset; i < offset + count; i++)
        *words++ = words_half(value, i);
}

/* Whether the edge `offset` of a write lies inside the value of `width` registers at `at`. */
static inline bool words_cut(uint32_t offset, uint32_t at, uint32_t width)
{
    return offset - at - 1 < width - 1; /* unsigned: an edge before the value is far behind it */
}

/* Whether a write of `count` registers from `offset` would change a part of that value, and leave the rest. */
static inline bool words_split(uint32_t offset, uint32_t count, uint32_t at, uint32_t width)
{
    return words_cut(offset, at, width) || words_cut(offset + count, at, width);
}

static inline void words_from_bytes(uint16_t *words, const void *bytes, size_t count)
{
    const uint8_t *next = bytes;
    for (size_t i = 0; i < count; i++)
        words[i] = (uint16_t)(next[2 * i] << 8 | next[2 * i + 1]);
}

static inline void words_to_bytes(uint8_t *bytes, const uint16_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (uint8_t)(words[i] >> 8);
        bytes[2 * i + 1] = (uint8_t)words[i];
    }
}

#endif
