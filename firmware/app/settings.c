#include "app/settings.h"

#include "app/link.h"

enum { ADDRESS, BAUD_HIGH, BAUD_LOW, FORMAT, GAP };
_Static_assert(WIRE_HOLDING_BAUD - WIRE_HOLDING_ADDRESS == BAUD_HIGH &&
                   WIRE_HOLDING_FORMAT - WIRE_HOLDING_ADDRESS == FORMAT && SETTINGS_WORDS == GAP + 1,
               "the order of the settings on the wire");

struct settings settings_default(void)
{
    return (struct settings){
        .baud = WIRE_DEFAULT_BAUD,
        .address = port_default_address(),
        .format = WIRE_DEFAULT_FORMAT,
        .gap = WIRE_DEFAULT_GAP,
    };
}

bool settings_valid(const struct settings *settings)
{
    return settings->baud >= WIRE_BAUD_MIN && settings->baud <= WIRE_BAUD_MAX &&
           settings->address >= WIRE_ADDRESS_MIN && settings->address <= WIRE_ADDRESS_MAX &&
           settings->format <= WIRE_FORMAT_F8N2 && settings->gap <= WIRE_GAP_TRUE_CHARACTERS &&
           settings->reserved == 0;
}

void settings_to_words(const struct settings *settings, uint16_t words[SETTINGS_WORDS])
{
    words[ADDRESS] = settings->address;
    words[BAUD_HIGH] = (uint16_t)(settings->baud >> 16);
    words[BAUD_LOW] = (uint16_t)settings->baud;
    words[FORMAT] = settings->format;
    words[GAP] = settings->gap;
}

bool settings_from_words(struct settings *settings, const uint16_t words[SETTINGS_WORDS])
{
    if (words[ADDRESS] > UINT8_MAX || words[FORMAT] > UINT8_MAX || words[GAP] > UINT8_MAX)
        return false;
    const struct settings asked = {
        .baud = (uint32_t)words[BAUD_HIGH] << 16 | words[BAUD_LOW],
        .address = (uint8_t)words[ADDRESS],
        .format = (uint8_t)words[FORMAT],
        .gap = (uint8_t)words[GAP],
    };
    if (!settings_valid(&asked))
        return false;
    *settings = asked;
    return true;
}

struct port_line settings_line(const struct settings *settings)
{
    const enum wire_format format = (enum wire_format)settings->format;
    return (struct port_line){
        .baud = settings->baud,
        .address = settings->address,
        .format = format,
        .silence_us = link_silence_us(settings->baud, format, (enum wire_gap)settings->gap),
    };
}
