/* Signed orders: one form, checked as a whole before anything else looks at it. Twin of host/core/order.py.
 *
 *     0  u8 version WIRE_ORDER_VERSION, u8 command, u8 scope, u8 n: bytes of arguments, even, 0..WIRE_ARGUMENTS_MAX
 *     4  target, 12 bytes: the UID; or u16 group, 1 on, and ten zeros
 *     16 u32 counter, 1 on, u32 0
 *     24 hash, 32 bytes: BLAKE2b-256 of the image that is meant; zeros where the command means none
 *     56 arguments, n bytes
 *        signature, 64 bytes, over WIRE_ORDER_DOMAIN, a NUL, and all bytes before it
 *
 * Little-endian, but for the words of registers, which stand as on the bus: the high byte first. The size is exact, and
 * every field has one form: what is in another is refused with WIRE_REASON_ORDER.
 *
 *     command                            hash   arguments
 *     COMMIT, CONFIRM, REVERT, ROLLBACK  image
 *     INSTALL                            image  u32 length, 1..WIRE_IMAGE_MAX
 *     TRIAL                              image  u32 length, likewise; u16 seconds, 1 on
 *     RESTART
 *     SAVE_SETTINGS                             the words of the registers ADDRESS..BROADCASTS, of any values
 *     WRITE                                     u16 address; words, 1..62, all in INPUTS, or whole ones of INPUTS_FLOAT
 *     COILS                                     u16 first, u16 count, 1 on, u16 bits, the first coil's in bit 0
 *     KEY                                       the public key, zeros for none; u16 flags: 1, inputs and coils need an
 *                                               order too (with a key only)
 *     FLOOR                                     u32 release, u16 firmware, major << 8 | minor
 *     ARM                                image  the hash of GO's bytes; u16 seconds of a trial, 0: kept at once */
#ifndef NEURON485_CORE_ORDER_H
#define NEURON485_CORE_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

#define ORDER_HEADER 56u /* bytes before the arguments */
/* Bytes of the longest message that is signed: the domain and its NUL, header, arguments. */
#define ORDER_MESSAGE_MAX (sizeof WIRE_ORDER_DOMAIN + ORDER_HEADER + WIRE_ARGUMENTS_MAX)
#define ORDER_SETTINGS_WORDS (WIRE_HOLDING_BROADCASTS + 1u - WIRE_HOLDING_ADDRESS)
#define ORDER_FLAG_GUARDS 1u /* of KEY: inputs and coils need an order too */

/* Where the arguments stand; those not named here begin at 0. */
enum order_argument {
    ORDER_TRIAL_SECONDS = 4,
    ORDER_WRITE_WORDS = 2,
    ORDER_COILS_COUNT = 2,
    ORDER_COILS_BITS = 4,
    ORDER_KEY_FLAGS = WIRE_KEY_BYTES,
    ORDER_FLOOR_FIRMWARE = 4,
    ORDER_ARM_SECONDS = WIRE_HASH_BYTES,
};

/* A checked order. It lives as long as the bytes that it points into. */
struct order {
    enum wire_command command;
    enum wire_scope scope;
    uint16_t size;            /* of the arguments, bytes, 0..WIRE_ARGUMENTS_MAX */
    uint16_t group;           /* of WIRE_SCOPE_GROUP, 1 on; else 0 */
    uint32_t counter;         /* 1 on */
    const uint8_t *uid;       /* (WIRE_UID_BYTES); of WIRE_SCOPE_GROUP NULL */
    const uint8_t *hash;      /* (WIRE_HASH_BYTES), of the image; zeros where the command means none */
    const uint8_t *arguments; /* (size) */
    const uint8_t *signature; /* (WIRE_SIGNATURE_BYTES), not looked at here */
};

/* Check all but the signature, and fill *order. Any `size` bytes are safe to pass, aligned or not; on an error, which is
 * WIRE_REASON_ORDER always, *order is not to be used. */
enum wire_reason order_parse(const uint8_t *bytes, size_t size, struct order *order);

/* What is signed, of bytes that order_parse took: into `out`, of ORDER_MESSAGE_MAX bytes. Answers how many there are. */
size_t order_message(const uint8_t *bytes, const struct order *order, uint8_t *out);

/* The u16 and the u32 at a byte of the arguments that the command has, see enum order_argument. */
uint16_t order_u16(const struct order *order, size_t at);
uint32_t order_u32(const struct order *order, size_t at);

/* Word `index` of the registers' words that begin at the byte `at` of the arguments. */
uint16_t order_word(const struct order *order, size_t at, size_t index);

#endif
