/* A number is m / 10**p, m below 2**64. Where m and 10**p both are float64, one operation rounds the result (W. D.
 * Clinger, PLDI 1990). Else m is multiplied by the first 128 bits of 10**-p, as D. Lemire does it ("Number parsing at
 * a gigabyte per second", Softw. Pract. Exper. 51, 2021). What the product lacks decides only next to the middle
 * between two neighbours: there this gives up. */
#include "decimals.h"

#include <float.h>
#include <stdbool.h>
#include <string.h>

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the first of eight digits is the lowest byte of a word");

__extension__ typedef unsigned __int128 uint128;

#define DIGITS_MAX 24  /* of a number, as in the twin */
#define DIGITS_HELD 19 /* so many digits are below 2**64 */
#define EXPONENT_DIGITS 4
#define POWER_EXACT 22
#define INTEGER_EXACT ((uint64_t)1 << 53)

static const double powers_exact[POWER_EXACT + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Whether eight digits stand here, and then their integer (D. Lemire, "Quickly parsing eight digits", 2022). */
static inline bool eight_digits(const uint8_t *text, uint32_t *value)
{
    const uint64_t zeros = 0x3030303030303030u, high_halves = 0xF0F0F0F0F0F0F0F0u;
    uint64_t word;

    memcpy(&word, text, sizeof word);
    if (((word & high_halves) | (((word + 0x0606060606060606u) & high_halves) >> 4)) != 0x3333333333333333u)
        return false;
    word -= zeros;
    word = word * 10 + (word >> 8);
    word = (word & 0x000000FF000000FFu) * (100 + ((uint64_t)1000000 << 32)) +
           ((word >> 16) & 0x000000FF000000FFu) * (1 + ((uint64_t)10000 << 32));
    *value = (uint32_t)(word >> 32);
    return true;
}

/* The end of the digits that begin here; they are appended to *value, modulo 2**64. The text ends in no digit. */
static inline const uint8_t *digits(const uint8_t *text, const uint8_t *end, uint64_t *value)
{
    uint32_t eight;

    for (; end - text >= 8 && eight_digits(text, &eight); text += 8)
        *value = *value * 100000000u + eight;
    for (; (uint8_t)(*text - '0') <= 9; text++)
        *value = *value * 10 + (uint8_t)(*text - '0');
    return text;
}

/* m / 10**places, rounded once. False where that is not sure. */
static inline bool quotient(uint64_t m, int32_t places, const struct decimals_inverse *inverses,
                            double *value)
{
    if (m <= INTEGER_EXACT && places >= -POWER_EXACT && places <= POWER_EXACT) {
        *value = places < 0 ? (double)m * powers_exact[-places] : (double)m / powers_exact[places];
        return true;
    }
    if (m == 0 || places < 1 || places > DECIMALS_POWER_MAX)
        return false;

    const struct decimals_inverse *inverse = &inverses[places - 1];
    const uint32_t leading = (uint32_t)__builtin_clzll(m);
    const uint64_t aligned = m << leading;
    /* The quotient is this and less than 2 more, * 2**-(63 + scale + leading). */
    const uint128 product =
        (uint128)aligned * inverse->high + (uint64_t)(((uint128)aligned * inverse->low) >> 64);
    const uint32_t beyond = 74 + (uint32_t)(product >> 127); /* bits that float64 has no room for */
    const uint128 rest = product & (((uint128)1 << beyond) - 1), half = (uint128)1 << (beyond - 1);
    if (half - rest <= 1) /* half or 1 less: anything may come of it */
        return false;
    /* 2**52 ... 2**53: a carry into the next power of two is one into the exponent. */
    const uint64_t mantissa = (uint64_t)(product >> beyond) + (rest > half);
    const uint64_t exponent = 1023 + 52 + beyond - 63 - inverse->scale - leading;
    const uint64_t bits = (exponent << 52) + (mantissa - ((uint64_t)1 << 52));
    memcpy(value, &bits, sizeof bits);
    return true;
}

/* The end of the number that begins here; NULL where none of the usual does. The text ends in LF. */
static inline const uint8_t *number(const uint8_t *text, const uint8_t *end,
                                    const struct decimals_inverse *inverses, double *value)
{
    const bool minus = *text == '-';
    const uint8_t *begin = text + (minus || *text == '+');
    uint64_t m = 0;

    text = digits(begin, end, &m);
    ptrdiff_t count = text - begin, places = 0;
    if (*text == '.') {
        const uint8_t *point = text + 1;
        text = digits(point, end, &m);
        places = text - point;
        count += places;
    }
    if (count < 1 || count > DIGITS_MAX)
        return NULL;
    for (const uint8_t *zero = begin; count > DIGITS_HELD && (*zero == '0' || *zero == '.'); zero++)
        count -= *zero == '0';
    if (count > DIGITS_HELD)
        return NULL;
    if (*text == 'e' || *text == 'E') {
        const bool negative = *++text == '-';
        const uint8_t *first = text + (negative || *text == '+');
        uint64_t exponent = 0;
        text = digits(first, end, &exponent);
        if (text == first || text - first > EXPONENT_DIGITS)
            return NULL;
        places += negative ? (ptrdiff_t)exponent : -(ptrdiff_t)exponent;
    }
    if (!quotient(m, (int32_t)places, inverses, value))
        return NULL;
    *value = minus ? -*value : *value;
    return text;
}

size_t decimals_read(const uint8_t *text, size_t size, size_t columns,
                     const struct decimals_inverse *inverses, double *values)
{
    if (size == 0 || text[size - 1] != '\n')
        return 0;
    const uint8_t *end = text + size;
    size_t lines = 0;

    for (; text < end; lines++) {
        for (size_t left = columns; left > 0; left--) {
            text = number(text, end, inverses, values++);
            if (!text || *text++ != (left > 1 ? ',' : '\n'))
                return 0;
        }
    }
    return lines;
}
