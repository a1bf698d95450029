/* The models of a node: the one that runs, the one before it, and the one that is being brought.
 *
 * An image is staged register by register, or by a training; VERIFY takes it if it can run here and computes
 * what its maker computed; COMMIT brings it into the flash, from where the neuron runs it. ROLLBACK sends the
 * previous model the same way, under a new sequence number. Whatever is refused leaves the running model.
 *
 * The running image is checked against its CRC-32 over and over: one that has rotted makes way for the previous
 * one, or for none.
 *
 * A model may be on trial (trial.h): the neuron runs it from the stage, and what ran before comes back unless it is
 * kept. A reset leaves nothing of it. */
#ifndef NEURON485_APP_MODELS_H
#define NEURON485_APP_MODELS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/neuron.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "app/trainer.h"
#include "app/trust.h"
#include "app/wear.h"
#include "core/image.h"
#include "core/store.h"
#include "core/wire.h"

/* Which image a command means: by its CRC-32, or, in an order, by its hash, which cannot be forged. */
struct models_meant {
    uint32_t crc;
    const uint8_t *hash; /* WIRE_HASH_BYTES; NULL: the CRC-32 counts */
};

struct models {
    struct neuron *neuron;     /* runs what is committed */
    struct trainer *trainer;   /* the stage is kept for it while it trains */
    const struct trust *trust; /* knows which releases may be taken */
    struct refusal *refusal;
    struct wear *wear;
    struct store store;
    bool fallback; /* the newest that was kept is refused or damaged: the next commit writes whatever it is */
    bool committing;     /* the stage is on its way into the flash */
    bool verified;       /* `staged` is a good image */
    bool on_trial;       /* it runs, from the stage */
    bool returns;        /* on trial: the active record ran before, else none did */
    bool lent;           /* the stage is a session's, until anybody else takes it */
    bool hashed;         /* staged_hash is that of `staged`: made where somebody asks for it */
    struct image staged; /* in the stage */
    _Alignas(4) uint8_t stage[WIRE_IMAGE_MAX];
    uint32_t checked;   /* bytes of the running image that models_check has seen in this turn */
    uint32_t check_crc; /* their CRC-32 */
    uint8_t running_hash[WIRE_HASH_BYTES];  /* zeros: no model, or no CRYPTO */
    uint8_t staged_hash[WIRE_HASH_BYTES];   /* see models_staged_hash */
    uint8_t previous_hash[WIRE_HASH_BYTES]; /* of what ROLLBACK, or the end of the trial, brings back */
};

/* Run the newest model that this firmware accepts. A refused one is kept and reported. What is kept runs whatever its
 * release is: a floor is for what comes. */
void models_boot(struct models *models, struct neuron *neuron, struct trainer *trainer,
                 const struct trust *trust, struct refusal *refusal, struct wear *wear);

/* The commands. length: bytes in the stage, refused where they are no image; meant: the image that is
 * meant. MODBUS_DEVICE_BUSY while the stage is taken, MODBUS_DEVICE_FAILURE with the reason: TRIAL during one. Repeated,
 * because the first reply was lost, COMMIT, INSTALL and ROLLBACK find their work done; and so does a COMMIT of the very
 * bytes that run. INSTALL is VERIFY and, where that is accepted, COMMIT. */
enum modbus_exception models_verify(struct models *models, uint32_t length, const struct models_meant *meant);
enum modbus_exception models_commit(struct models *models, const struct models_meant *meant);
enum modbus_exception models_install(struct models *models, uint32_t length,
                                     const struct models_meant *meant);
enum modbus_exception models_rollback(struct models *models, const struct models_meant *meant);

/* Whether the image that is meant runs; whether it is the one in the stage, verified or on trial. */
bool models_runs(const struct models *models, const struct models_meant *meant);
bool models_staged_is(const struct models *models, const struct models_meant *meant);

/* The hash of the image in the stage, verified or on trial. Where no order, session or trial has needed it yet it is made
 * now, in some 3 ms for the largest: VERIFY, which names a CRC-32, does not wait for it. */
void models_staged_hash(const struct models *models, uint8_t hash[WIRE_HASH_BYTES]);

/* What ROLLBACK, or the end of the trial, brings back, and the CRC-32 of its image; a payload NULL and 0 where there is
 * none. */
const struct store_record *models_previous(const struct models *models);
uint32_t models_previous_crc(const struct models *models);

/* Have the stage to write to: what stands in it is no longer to be committed, and no session's. MODBUS_DEVICE_BUSY while
 * it is copied into the flash or waits for what is learnt; MODBUS_DEVICE_FAILURE, reason TRIAL, while it is on trial. */
enum modbus_exception models_take_stage(struct models *models);

/* For session.c. Have the stage, as above, until anybody else takes it: then `lent` is false. Take the image of `length`
 * bytes that came into it meanwhile, whose hash is that, and with it VERIFY's part; what it answers is in REASON. */
enum modbus_exception models_lend(struct models *models);
enum modbus_exception models_accept(struct models *models, uint32_t length,
                                    const uint8_t hash[WIRE_HASH_BYTES]);

/* MODBUS_OK where the release of the image in the stage is not below the floor; else MODBUS_DEVICE_FAILURE, reason FLOOR:
 * an order may have raised it since the image was verified. */
enum modbus_exception models_allowed(struct models *models);

/* For trial.c. Run the verified image from the stage, its caller's to have; let what is on trial be committed while it
 * runs on, MODBUS_DEVICE_FAILURE with the reason where it cannot; or let what ran before run again. */
void models_try(struct models *models);
enum modbus_exception models_keep(struct models *models);
void models_return(struct models *models);

/* If a training has come to its end: its image into the stage, to be taken as any staged image is. */
void models_take_learnt(struct models *models);

/* Do one small piece of the store's work, one word or the start of an erase. True while there is more. */
bool models_step(struct models *models);

/* Check the next `bytes` of the running image, a multiple of 4, for rounds in which no store works. */
void models_check(struct models *models, uint32_t bytes);

#define MODELS_ROWS 5u
extern const struct row models_rows[MODELS_ROWS];

#endif
