#include <monocypher.h>

#include "crypto/crypto.h"

bool crypto_present(void)
{
    return true;
}

/* ---------------------------------------------------------------------------------------------------- hash */

_Static_assert(sizeof(struct crypto_hashing) >= sizeof(crypto_blake2b_ctx) &&
                   _Alignof(struct crypto_hashing) >= _Alignof(crypto_blake2b_ctx),
               "room for the library's state");

static crypto_blake2b_ctx *library(struct crypto_hashing *hashing)
{
    return (crypto_blake2b_ctx *)(void *)hashing->state;
}

void crypto_hash_begin(struct crypto_hashing *hashing)
{
    crypto_blake2b_init(library(hashing), WIRE_HASH_BYTES);
}

void crypto_hash_more(struct crypto_hashing *hashing, const void *data, size_t size)
{
    crypto_blake2b_update(library(hashing), data, size);
}

void crypto_hash_end(struct crypto_hashing *hashing, uint8_t hash[WIRE_HASH_BYTES])
{
    crypto_blake2b_final(library(hashing), hash);
}

void crypto_hash(const void *data, size_t size, uint8_t hash[WIRE_HASH_BYTES])
{
    crypto_blake2b(hash, WIRE_HASH_BYTES, data, size);
}

/* ----------------------------------------------------------------------------------------------- signature */

bool crypto_verify(const uint8_t signature[WIRE_SIGNATURE_BYTES], const uint8_t key[WIRE_KEY_BYTES],
                   const uint8_t *message, size_t size)
{
    return crypto_eddsa_check(signature, key, message, size) == 0;
}

/* The library checks 8 (s B - h A - R) = 0 and that A, the key, is on the curve; it lets a key of low order pass, for
 * which 8 A = 0, so that any R and s with R = s B are a signature. With s = 0 and R the neutral point it tells
 * us for h = 0 whether A is on the curve, and for h = 1 whether 8 A = 0. */
bool crypto_key_good(const uint8_t key[WIRE_KEY_BYTES])
{
    static const uint8_t neutral[WIRE_SIGNATURE_BYTES] = {1}, zero[32] = {0}, one[32] = {1};
    return crypto_eddsa_check_equation(neutral, key, zero) == 0 &&
           crypto_eddsa_check_equation(neutral, key, one) != 0;
}
