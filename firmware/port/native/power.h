/* The power of simulated nodes: when it goes, and what it takes along. The bus shares it with its nodes. */
#ifndef NEURON485_PORT_NATIVE_POWER_H
#define NEURON485_PORT_NATIVE_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "port/native/events.h"

/* Before there are nodes: for all of them. */
void power_share(const struct options *options);

/* The bus: the power of node `index` fails in the middle of that operation of its flash, counted from now and 1; 0: in
 * none. */
void power_cut_in(unsigned index, uint32_t operations);

/* The bus: it has failed. */
void power_lost(unsigned index);

/* In node `index`, from now on. */
void power_open(unsigned index);

/* PORT_KEPT_WORDS. */
uint32_t *power_kept(void);

/* The node leaves to be started again by a reset. */
_Noreturn void power_stays(void);

/* Whether such a reset has started it, not power-on. */
bool power_stayed(void);

/* The next operation of the flash begins: whether it is the one that ends by power_off. */
bool power_fails(void);

/* The node is gone. */
_Noreturn void power_off(void);

#endif
