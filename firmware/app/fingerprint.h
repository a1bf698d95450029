/* Which firmware runs: BLAKE2b-256 of all of its bytes, part by part as port_firmware has them, read through after the
 * start while the node has nothing else to do. host/node/firmware.py has the same of an ELF file. */
#ifndef NEURON485_APP_FINGERPRINT_H
#define NEURON485_APP_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "app/rows.h"
#include "crypto/crypto.h"

/* Of the firmware, in a round of the main loop: two of the hash's blocks. */
#define FINGERPRINT_BYTES 256u

struct fingerprint {
    struct crypto_hashing hashing;
    unsigned part;
    size_t at; /* in that part */
    bool done;
    uint8_t hash[WIRE_HASH_BYTES]; /* zeros until then, and without crypto */
};

void fingerprint_boot(struct fingerprint *fingerprint);

/* Read on; whether there is more. */
bool fingerprint_step(struct fingerprint *fingerprint);

#define FINGERPRINT_ROWS 1u
extern const struct row fingerprint_rows[FINGERPRINT_ROWS];

#endif
