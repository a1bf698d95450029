/* The C twin of host/data/decimals.py, which builds and calls it: lines of decimal numbers as float64, each the
 * nearest one, ties to even.
 *
 * It knows the usual numbers only, and gives up where it meets another: the twin in Python then reads the whole
 * text. Usual are up to 24 digits, 19 from the first on that is no 0, and an exponent of up to 4, such that the number
 * is m / 10**p with 1 <= p <= 60, or with m <= 2**53 and -22 <= p <= 22; it is not in the middle between two float64. */
#ifndef HOST_DATA_DECIMALS_H
#define HOST_DATA_DECIMALS_H

#include <stddef.h>
#include <stdint.h>

#define DECIMALS_POWER_MAX 60

/* The first 128 bits of 10**-p = (high * 2**64 + low + rest) * 2**-(127 + scale), high >= 2**63, 0 < rest < 1. */
struct decimals_inverse {
    uint64_t high, low, scale;
};

/* Reads `size` bytes of text: lines that end in LF, each of `columns` numbers, parted by commas. columns >= 1.
 * inverses: those of p = 1 ... DECIMALS_POWER_MAX. values: row after row, room for size / 2 numbers.
 * Returns how many lines; 0, and anything in values, where the text is anything else. No byte but those is read. */
size_t decimals_read(const uint8_t *text, size_t size, size_t columns,
                     const struct decimals_inverse *inverses, double *values);

#endif
