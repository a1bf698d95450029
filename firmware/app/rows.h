/* A row of the register map: registers that stand side by side and belong to one part of the node, with the
 * functions that serve them. Each part exports its own rows; app/registers.c joins them.
 *
 * A read may go over rows that follow each other without a gap, and is then served row by row. A write lies
 * within one row, as a value that is written whole has one owner. */
#ifndef NEURON485_APP_ROWS_H
#define NEURON485_APP_ROWS_H

#include <stdint.h>

#include "core/modbus.h"
#include "core/wire.h"

/* `part` is the struct of the part that exports the row; offset and count are in registers and lie within the
 * row, count from 1. Each answers MODBUS_OK or an exception, and a write has in that case changed nothing. */
typedef enum modbus_exception row_read(const void *part, uint32_t offset, uint16_t count, uint16_t *values);
typedef enum modbus_exception row_write(void *part, uint32_t offset, uint16_t count, const uint16_t *values);

struct row {
    enum wire_table table; /* WIRE_TABLE_HOLDING or _INPUT */
    uint16_t start, size;  /* registers */
    row_read *read;
    row_write *write; /* NULL: read only */
};

#endif
