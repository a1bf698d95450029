/* A session: an image that comes in blocks, for many nodes at once, and that all of them begin to run with one frame.
 *
 * It is opened on each node by one write of SESSION_HASH ... SESSION_SECONDS, and has the stage from then on, until
 * anybody else takes it. Blocks name the session by BLOCK_TAG; BLOCKS_MISSING has those that have not come, and one that
 * has come stays as it is. When none is missing and the flash has nothing to do, the image is hashed, opened and tested:
 * VERIFIED, or REFUSED with REASON. From there on, for SESSION_HOLDS_S, no erase begins that nobody asked for: it would
 * stall the frame that all wait for. GO, whose BLAKE2b-256 is SESSION_GO, runs the image; with a key installed an order
 * has to arm the session before that. A reset closes it.
 *
 * By broadcast, blocks and a GO of others come by as well: they are no reason to say anything. */
#ifndef NEURON485_APP_SESSION_H
#define NEURON485_APP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "app/models.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "app/trial.h"
#include "app/trust.h"
#include "crypto/crypto.h"

struct session {
    struct models *models;
    struct trial *trial;
    const struct trust *trust;
    struct refusal *refusal;
    enum wire_session state; /* as it was left; session_state has what became of it */
    uint8_t hash[WIRE_HASH_BYTES];
    uint32_t length;             /* bytes */
    uint8_t go[WIRE_HASH_BYTES]; /* BLAKE2b-256 of the bytes of GO */
    uint16_t seconds;
    uint64_t missing; /* bit n: block n */
    uint32_t since;   /* port_millis when it became VERIFIED or, later on, ARMED */
    bool waits;       /* for GO, and not yet for too long */
    struct crypto_hashing hashing;
    uint32_t hashed; /* bytes of the image that went into it */
};

/* Of the image, in a round of the main loop: two of the hash's blocks. */
#define SESSION_HASH_BYTES 256u

/* A session that is VERIFIED holds the flash's work up for so long. Longer than canaries are watched as a rule; a GO that
 * comes still later is obeyed as well, but may meet an erase. */
#define SESSION_HOLDS_S 900u

/* How it stands now. */
enum wire_session session_state(const struct session *session);

/* An order lets GO run the session's image, which has that hash: from now on, for WIRE_GO_SECONDS, the bytes of GO are those
 * whose hash is `go`, and `seconds` is SESSION_SECONDS. SESSION: it is not VERIFIED; HASH: its image is another; FLOOR: its
 * release is below the floor, which was raised since it was verified. */
enum wire_reason session_arm(struct session *session, const uint8_t hash[WIRE_HASH_BYTES],
                             const uint8_t go[WIRE_HASH_BYTES], uint16_t seconds);

/* GO is waited for: no erase may begin that nobody asked for. */
bool session_waits(const struct session *session);

/* While the flash has nothing to do: check the image piece by piece, if no block is missing. Whether there is more. */
bool session_step(struct session *session);

#define SESSION_ROWS 4u
extern const struct row session_rows[SESSION_ROWS];

#endif
