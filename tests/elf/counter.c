/* Called by Unicorn before each instruction: what calls.py counts by, fifty times as fast as a function of Python. */
#include <stdint.h>
#include <string.h>

#define FLASH 0x08000000u
#define FLASH_SIZE (1u << 20)
#define SRAM 0x20000000u
#define SRAM_SIZE (128u << 10)

typedef int read_memory(void *engine, uint64_t address, void *bytes, uint64_t size);

struct counter {
    read_memory *read; /* Unicorn's own */
    uint64_t instructions;
    /* of the halfwords that code can stand in: 1 more than they weigh, 0 where that is unknown */
    uint8_t weights[(FLASH_SIZE + SRAM_SIZE) / 2];
};

void counter_begin(struct counter *c, read_memory *read);
uint32_t counter_size(void);
void counter_step(void *engine, uint64_t address, uint32_t size, void *data);

uint32_t counter_size(void)
{
    return sizeof(struct counter);
}

void counter_begin(struct counter *c, read_memory *read)
{
    memset(c, 0, sizeof *c);
    c->read = read;
}

static uint8_t *weight_at(struct counter *c, uint64_t address)
{
    if (address >= FLASH && address < FLASH + FLASH_SIZE)
        return &c->weights[(address - FLASH) / 2];
    if (address >= SRAM && address < SRAM + SRAM_SIZE)
        return &c->weights[(FLASH_SIZE + address - SRAM) / 2];
    return NULL;
}

static uint32_t halfword(const struct counter *c, void *engine, uint64_t address)
{
    uint8_t bytes[2] = {0, 0};
    (void)c->read(engine, address, bytes, 2);
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

/* 1; for an IT instruction (0xBFxx, mask not 0) itself and its block, whose members then weigh 0. */
static void weigh(struct counter *c, void *engine, uint64_t address, uint8_t *weight)
{
    uint32_t opcode = halfword(c, engine, address);
    *weight = 2;
    if (opcode >> 8 == 0xBF && (opcode & 0xF)) {
        uint8_t members = 4;
        for (uint32_t mask = opcode; !(mask & 1); mask >>= 1)
            members--;
        *weight = (uint8_t)(members + 2);
        uint64_t member = address + 2;
        for (uint8_t i = 0; i < members; i++) {
            uint8_t *of_member = weight_at(c, member);
            if (of_member)
                *of_member = 1;
            member += halfword(c, engine, member) >> 11 >= 0x1D ? 4 : 2;
        }
    }
}

void counter_step(void *engine, uint64_t address, uint32_t size, void *data)
{
    struct counter *c = data;
    uint8_t *weight = weight_at(c, address);
    (void)size;
    if (!weight) {
        c->instructions++;
        return;
    }
    if (!*weight)
        weigh(c, engine, address, weight);
    c->instructions += *weight - 1u;
}
