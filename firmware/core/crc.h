/* The two checksums: CRC-32 (IEEE 802.3) guards images and records, CRC-16/MODBUS guards frames.
 * Twin of host/core/crc.py. Check values of "123456789": 0xCBF43926 and 0x4B37. */
#ifndef NEURON485_CORE_CRC_H
#define NEURON485_CORE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of `size` bytes. */
uint32_t crc32(const void *data, size_t size);

/* CRC-32 of `size` bytes behind those of which `crc` is the CRC-32; that of no bytes is 0. */
uint32_t crc32_more(uint32_t crc, const void *data, size_t size);

/* CRC-16/MODBUS of `size` bytes; on the wire its low byte goes first. */
uint16_t crc16(const void *data, size_t size);

#endif
