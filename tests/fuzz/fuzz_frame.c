/* Frames into a node. An input is a start and a sequence of items, all within one life of the node:
 *
 *     u8 start: bit 0: the node has a model and a previous one
 *     items: u8 kind (& 7), u8 size, bytes
 *
 * Whatever comes, each reply is a frame, a wrong model never runs, and the node answers afterwards. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "app/node.h"
#include "core/crc.h"
#include "tests/fuzz/sample.h"
#include "tests/port/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind {
    /* 0 and 1: a frame, with the node's address and a right CRC put in */
    SCANS = 2,       /* u8 times, u8 levels, u16 missed before, u16 analog...: if it samples */
    RAW_ADDRESS = 3, /* a frame, with a right CRC */
    RAW = 4,         /* bytes as they are */
    WORK = 5,        /* no bytes: `size` rounds of the main loop */
    /* u8 command, for the image in the stage (its CRC put right), or for the previous one */
    RIGHT_COMMAND = 6,
    RESTAGE = 7, /* the running image is staged again */
};

#define STARTS 2u
#define SETTLE 10000u

static struct node node;
static uint8_t reply[MODBUS_FRAME_MAX];
static jmp_buf reset;

/* A node at the start of an input, and its flash. */
static struct start {
    struct node node;
    struct memory memory;
    _Alignas(4) uint8_t flash[MEMORY_FLASH_SIZE];
} starts[STARTS];
static _Alignas(4) uint8_t flash[MEMORY_FLASH_SIZE];

_Noreturn void memory_on_reset(void)
{
    longjmp(reset, 1);
}

void port_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
}

void port_idle(bool more)
{
    (void)more;
}

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void boot(void)
{
    memory_start(flash, WIRE_START_POWER);
    memset(&node, 0, sizeof node);
    node_boot(&node);
}

static void run_rounds(unsigned rounds)
{
    while (rounds-- > 0) {
        const bool more = node_work(&node);
        node_show(&node);
        if (!more)
            break;
    }
    memory.decided_size = 0; /* nobody asks for the windows */
}

static void work(unsigned rounds)
{
    if (setjmp(reset) == 0)
        run_rounds(rounds);
    else
        boot();
}

static size_t serve(const uint8_t *request, size_t size)
{
    uint8_t *exact = malloc(size + !size);
    require(exact != NULL);
    if (size > 0)
        memcpy(exact, request, size);
    const size_t answered = node_serve(&node, exact, size, reply);
    require(answered == 0 || (modbus_frame_valid(reply, answered) && reply[0] == node.server.address));
    require(answered == 0 || reply[1] == exact[1] || (reply[1] == (exact[1] | 0x80) && answered == 5));
    free(exact);
    return answered;
}

static size_t serve_sealed(const uint8_t *request, size_t size)
{
    uint8_t frame[MODBUS_FRAME_MAX + 2];
    memcpy(frame, request, size);
    return serve(frame, modbus_frame_seal(frame, size));
}

static void command(enum wire_command code, uint32_t length, uint32_t crc)
{
    const uint16_t words[] = {WIRE_HOLDING_COMMAND, 5,
                              (uint16_t)code,       (uint16_t)(length >> 16),
                              (uint16_t)length,     (uint16_t)(crc >> 16),
                              (uint16_t)crc};
    uint8_t request[17] = {node.server.address, 16};
    uint8_t *at = request + 2;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        *at++ = (uint8_t)(words[i] >> 8);
        *at++ = (uint8_t)words[i];
        if (i == 1)
            *at++ = 10; /* bytes that follow */
    }
    serve_sealed(request, sizeof request);
}

/* A command that names the right image, which random bytes would not find. */
static void right_command(enum wire_command code)
{
    uint32_t length, crc;
    memcpy(&length, node.parts.models.stage + 8, sizeof length);
    if (code == WIRE_COMMAND_ROLLBACK) {
        command(code, 0, models_previous_crc(&node.parts.models));
        return;
    }
    if (length < 8 || length > sizeof node.parts.models.stage)
        return;
    crc = crc32(node.parts.models.stage, length - sizeof crc);
    if (!node.parts.models.committing && !node.parts.models.verified)
        memcpy(node.parts.models.stage + length - sizeof crc, &crc, sizeof crc);
    command(code, length, crc);
}

static void restage(void)
{
    if (!node.parts.neuron.valid || node.parts.models.committing)
        return;
    node.parts.models.verified = false;
    memcpy(node.parts.models.stage, node.parts.neuron.model.bytes, node.parts.neuron.model.length);
}

static void scan(const uint8_t *bytes, size_t size)
{
    uint16_t words[1 + WIRE_ANALOG] = {0}; /* missed, analog */
    if (size < 2 || !memory.sampled)
        return;
    memcpy(words, bytes + 2, size - 2 < sizeof words ? size - 2 : sizeof words);
    for (unsigned i = 0; i < bytes[0]; i++)
        memory_scan(words + 1, bytes[1], i == 0 ? words[0] : 0);
}

static void carry_out(unsigned kind, const uint8_t *bytes, size_t size)
{
    uint8_t frame[MODBUS_FRAME_MAX];
    switch (kind) {
    case SCANS:
        scan(bytes, size);
        break;
    case RAW:
        serve(bytes, size);
        break;
    case RIGHT_COMMAND:
        if (size > 0)
            right_command((enum wire_command)bytes[0]);
        break;
    case RESTAGE:
        restage();
        break;
    default:
        if (size < 2)
            break;
        memcpy(frame, bytes, size);
        if (kind != RAW_ADDRESS)
            frame[0] = node.server.address;
        serve_sealed(frame, size);
    }
}

static void deploy(const uint8_t *image, uint32_t size)
{
    uint32_t crc;
    memcpy(&crc, image + size - sizeof crc, sizeof crc);
    memcpy(node.parts.models.stage, image, size);
    command(WIRE_COMMAND_VERIFY, size, crc);
    command(WIRE_COMMAND_COMMIT, 0, crc);
    work(SETTLE);
    require(node.parts.neuron.valid && node.parts.neuron.model.crc == crc);
}

static void keep_start(unsigned index)
{
    memcpy(&starts[index].node, &node, sizeof node);
    starts[index].memory = memory;
    memcpy(starts[index].flash, flash, sizeof flash);
}

static void make_starts(void)
{
    memory_blank(flash);
    boot();
    work(SETTLE);
    keep_start(0);
    deploy(sample_1, sizeof sample_1);
    deploy(sample_0, sizeof sample_0);
    keep_start(1);
}

/* Only what the last input has changed is copied: the flash is large. */
static void begin(unsigned index)
{
    static unsigned before = STARTS;
    for (unsigned i = 0; i < PORT_SECTORS; i++)
        if (before != index || memory.touched[i])
            memcpy(flash + i * PORT_SECTOR_SIZE, starts[index].flash + i * PORT_SECTOR_SIZE,
                   PORT_SECTOR_SIZE);
    before = index;
    memcpy(&node, &starts[index].node, sizeof node);
    memory = starts[index].memory;
    memset(memory.touched, 0, sizeof memory.touched);
}

/* The running model computes what its maker computed, and a read is answered. */
static void require_alive(void)
{
    uint16_t detail;
    require(!node.parts.neuron.valid ||
            image_self_test(&node.parts.neuron.model, &detail) == WIRE_REASON_NONE);
    const uint8_t read[] = {
        node.server.address, 4, WIRE_INPUT_WIRE_VERSION >> 8, WIRE_INPUT_WIRE_VERSION & 0xFF, 0, 1};
    require(node.server.listen_only || serve_sealed(read, sizeof read) == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (!made)
        make_starts();
    made = true;
    if (size == 0)
        return 0;
    begin(*data & 1u);
    const uint8_t *end = data + size;
    data++;
    while (end - data >= 2) {
        const unsigned kind = data[0] & 7u;
        size_t length = data[1];
        data += 2;
        if (kind == WORK) {
            work((unsigned)length);
            continue;
        }
        if (length > (size_t)(end - data))
            length = (size_t)(end - data);
        if (length > MODBUS_FRAME_MAX - 2 && kind != RAW)
            length = MODBUS_FRAME_MAX - 2;
        carry_out(kind, data, length);
        data += length;
    }
    require_alive();
    return 0;
}
