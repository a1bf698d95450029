/* Whether a frame to WIRE_SEARCH_ADDRESS is this node's to answer: so that nodes are told apart by their UIDs, whatever
 * their addresses are.
 *
 * A search is one frame: a function 23 that writes SEARCH_BITS and SEARCH_UID, both whole, and reads from FOUND_UID on. All
 * nodes whose UID begins so answer it, in one voice if there is one of them, else they damage each other's answers; the
 * others are silent. A search with all bits of a UID selects its node: that one answers all functions at this address, as
 * at its own, until the next search, or until no frame has come to it for WIRE_SEARCH_SECONDS. All is the same in
 * whatever way the bus writes these registers otherwise: it can, and nothing comes of it. */
#ifndef NEURON485_APP_SEARCH_H
#define NEURON485_APP_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/rows.h"
#include "app/settings.h"
#include "core/wire.h"

#define SEARCH_WORDS (1u + WIRE_HOLDING_SEARCH_UID_SIZE)

struct search {
    const struct settings *settings;
    uint16_t words[SEARCH_WORDS]; /* SEARCH_BITS and SEARCH_UID, as last written here */
    bool selected;
    uint32_t heard; /* port_millis when a frame last came to the address */
};

/* A good frame has come to WIRE_SEARCH_ADDRESS. pdu: `size` bytes, function first. True where this node answers it. */
bool search_calls(struct search *search, const uint8_t *pdu, size_t size);

/* Time passes; in rounds that are at most some ms apart. */
void search_watch(struct search *search);

#define SEARCH_ROWS 2u
extern const struct row search_rows[SEARCH_ROWS];

#endif
