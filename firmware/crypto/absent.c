#include <string.h>

#include "crypto/crypto.h"

bool crypto_present(void)
{
    return false;
}

void crypto_hash_begin(struct crypto_hashing *hashing)
{
    (void)hashing;
}

void crypto_hash_more(struct crypto_hashing *hashing, const void *data, size_t size)
{
    (void)hashing;
    (void)data;
    (void)size;
}

void crypto_hash_end(struct crypto_hashing *hashing, uint8_t hash[WIRE_HASH_BYTES])
{
    (void)hashing;
    memset(hash, 0, WIRE_HASH_BYTES);
}

void crypto_hash(const void *data, size_t size, uint8_t hash[WIRE_HASH_BYTES])
{
    (void)data;
    (void)size;
    memset(hash, 0, WIRE_HASH_BYTES);
}

bool crypto_verify(const uint8_t signature[WIRE_SIGNATURE_BYTES], const uint8_t key[WIRE_KEY_BYTES],
                   const uint8_t *message, size_t size)
{
    (void)signature;
    (void)key;
    (void)message;
    (void)size;
    return false;
}

bool crypto_key_good(const uint8_t key[WIRE_KEY_BYTES])
{
    (void)key;
    return false;
}
