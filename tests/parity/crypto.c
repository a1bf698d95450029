/* firmware/crypto as a filter: records on stdin, an answer to each on stdout. See tests/test_crypto.py.
 *
 *     record: u32 what, u32 piece, u32 size | bytes
 *
 * Each array lies in a block of its own and exact size, so that the sanitizers see a step beyond its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

enum what {
    HASH = 'h',   /* bytes -> hash */
    PIECES = 'p', /* bytes, hashed in pieces of that size -> hash */
    VERIFY = 'v', /* signature, key, message -> u8 */
    GOOD = 'g',   /* key -> u8 */
    PRESENT = '?' /* -> u8 */
};

static void *take(size_t size)
{
    void *bytes = malloc(size + !size);
    if (!bytes || fread(bytes, 1, size, stdin) != size)
        abort();
    return bytes;
}

static uint8_t *copy(const uint8_t *bytes, size_t size)
{
    uint8_t *made = malloc(size + !size);
    if (!made)
        abort();
    memcpy(made, bytes, size);
    return made;
}

static void put(const void *bytes, size_t size)
{
    if (fwrite(bytes, 1, size, stdout) != size)
        abort();
}

static void answer_hash(const uint8_t *bytes, size_t size, size_t piece)
{
    uint8_t hash[WIRE_HASH_BYTES];
    if (piece) {
        struct crypto_hashing hashing;
        crypto_hash_begin(&hashing);
        for (size_t at = 0; at < size; at += piece)
            crypto_hash_more(&hashing, bytes + at, size - at < piece ? size - at : piece);
        crypto_hash_end(&hashing, hash);
    } else {
        crypto_hash(size ? bytes : NULL, size, hash);
    }
    put(hash, sizeof hash);
}

static void answer_verify(const uint8_t *bytes, size_t size)
{
    uint8_t *signature = copy(bytes, WIRE_SIGNATURE_BYTES);
    uint8_t *key = copy(bytes + WIRE_SIGNATURE_BYTES, WIRE_KEY_BYTES);
    const size_t head = WIRE_SIGNATURE_BYTES + WIRE_KEY_BYTES;
    uint8_t *message = copy(bytes + head, size - head);
    const uint8_t right = crypto_verify(signature, key, message, size - head);
    put(&right, 1);
    free(signature);
    free(key);
    free(message);
}

int main(void)
{
    for (uint32_t record[3]; fread(record, sizeof record, 1, stdin) == 1;) {
        uint8_t *bytes = take(record[2]);
        const uint8_t is = record[0] == GOOD ? crypto_key_good(bytes) : crypto_present();
        switch (record[0]) {
        case HASH:
        case PIECES:
            answer_hash(bytes, record[2], record[1]);
            break;
        case VERIFY:
            answer_verify(bytes, record[2]);
            break;
        case GOOD:
        case PRESENT:
            put(&is, 1);
            break;
        default:
            abort();
        }
        free(bytes);
    }
    return 0;
}
