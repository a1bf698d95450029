/* Hashes and signatures, by a library that is well kept: monocypher.c calls Monocypher 4.0.3. Where its source is not at
 * hand, as in a package that pip installed, the simulated node is built with absent.c, whose node has no hashes
 * and obeys no order. A build has one of the two.
 *
 * Hash: BLAKE2b-256, RFC 7693; Python: hashlib.blake2b(data, digest_size=32). Signature: EdDSA over Curve25519 with
 * BLAKE2b-512 in place of SHA-512; Python: pymonocypher's signature_sign. */
#ifndef NEURON485_CRYPTO_H
#define NEURON485_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

/* Whether this build can do what is below. */
bool crypto_present(void);

/* A hash in the making; the caller owns it, and what is inside is the library's. */
struct crypto_hashing {
    uint64_t state[28];
};

/* Hash piece by piece: begin, more as often as there are bytes, in pieces of any size, and end. Absent: zeros. */
void crypto_hash_begin(struct crypto_hashing *hashing);
void crypto_hash_more(struct crypto_hashing *hashing, const void *data, size_t size);
void crypto_hash_end(struct crypto_hashing *hashing, uint8_t hash[WIRE_HASH_BYTES]);

/* The same in one. data: may be NULL where size is 0. */
void crypto_hash(const void *data, size_t size, uint8_t hash[WIRE_HASH_BYTES]);

/* Whether the holder of this key's secret half has signed the message; absent: false. A key that is not good has
 * signatures that anybody can make. */
bool crypto_verify(const uint8_t signature[WIRE_SIGNATURE_BYTES], const uint8_t key[WIRE_KEY_BYTES],
                   const uint8_t *message, size_t size);

/* Whether a public key is a point of the curve, and none of low order (order 1, 2, 4 or 8; zeros are one): to be asked
 * before a key is installed. Absent: false. */
bool crypto_key_good(const uint8_t key[WIRE_KEY_BYTES]);

#endif
