/* Atomic objects as plain ones, in place of Frama-C's own stdatomic.h, which lets a load answer anything and loses what is
 * stored: no interrupt is entered between two statements here. */
#ifndef NEURON485_PROOF_ATOMIC_H
#define NEURON485_PROOF_ATOMIC_H

#define __FC_STDATOMIC
#define _Atomic
#define atomic_bool _Bool
#define memory_order_acquire 0
#define memory_order_release 0
#define atomic_load_explicit(object, order) (*(object))
#define atomic_store_explicit(object, value, order) (*(object) = (value))

#endif
