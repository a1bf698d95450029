/* The node as a sum of parts. Each owns its state: others read it, or call the part's own functions.
 *
 *     hops                 window by window, from the channels to the neuron
 *     orders               what the owner of the key asks for
 *     session              an image for many nodes at once
 *     commands, status     what the bus may ask for, and what it is told
 *     trial                a model that runs from RAM, until it is kept
 *     models               stage, verify, commit, rollback
 *     watch                whether the bus still asks
 *     search               whether it is asked for by its UID
 *     neuron  settings  trainer
 *     sampling             the channels, as the bus asks for them and sees them
 *     decision             (the neuron's) from what the model says to what lights the LED
 *     trust                who may change what
 *     wear                 whether the flash may be written
 *     refusal              why something was not done
 *     events               what has happened
 *     sampler              the ring of scans
 *     fingerprint          which firmware runs
 *     link                 (and, without a state: identity, sectors) */
#ifndef NEURON485_APP_PARTS_H
#define NEURON485_APP_PARTS_H

#include "app/commands.h"
#include "app/events.h"
#include "app/fingerprint.h"
#include "app/hops.h"
#include "app/identity.h"
#include "app/link.h"
#include "app/models.h"
#include "app/neuron.h"
#include "app/orders.h"
#include "app/refusal.h"
#include "app/sampler.h"
#include "app/sampling.h"
#include "app/search.h"
#include "app/session.h"
#include "app/settings.h"
#include "app/status.h"
#include "app/trainer.h"
#include "app/trial.h"
#include "app/trust.h"
#include "app/watch.h"
#include "app/wear.h"

struct parts {
    struct link link;
    struct sampler sampler;
    struct events events;
    struct refusal refusal;
    struct wear wear;
    struct trust trust;
    struct sampling sampling;
    struct neuron neuron;
    struct settings settings;
    struct trainer trainer;
    struct models models;
    struct trial trial;
    struct watch watch;
    struct search search;
    struct session session;
    struct commands commands;
    struct orders orders;
    struct status status;
    struct hops hops;
    struct fingerprint fingerprint;
};

#endif
