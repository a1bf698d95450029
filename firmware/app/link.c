#include "app/link.h"

#include "port/port.h"

void link_on_byte(struct link *link, uint8_t byte, bool damaged)
{
    struct link_frame *frame = &link->frames[link->filling];
    if (link->sending)
        return; /* our own echo: the receiver is off, but its last character may still come */
    if (frame->complete) {
        link->overruns++; /* both frames wait to be served */
        return;
    }
    const uint16_t size = frame->size;
    if (size < MODBUS_FRAME_MAX) {
        frame->bytes[size] = byte;
        frame->size = (uint16_t)(size + 1);
    } else {
        frame->damaged = true;
    }
    frame->damaged |= damaged;
}

void link_on_overrun(struct link *link)
{
    link->overruns++;
    link->frames[link->filling].damaged = true;
}

void link_on_silence(struct link *link)
{
    struct link_frame *frame = &link->frames[link->filling];
    if (frame->complete || link->sending || (frame->size == 0 && !frame->damaged))
        return;
    frame->complete = true;
    link->filling ^= 1;
}

void link_on_sent(struct link *link)
{
    port_rs485_driver(false);
    port_rs485_receiver(true);
    struct link_frame *frame = &link->frames[link->filling];
    if (!frame->complete) {
        frame->size = 0;
        frame->damaged = false;
    }
    link->sending = false;
}

const uint8_t *link_receive(struct link *link, size_t *size)
{
    const struct link_frame *frame = &link->frames[link->serving];
    if (!frame->complete || link->sending)
        return NULL;
    *size = frame->damaged ? 0 : frame->size;
    return frame->bytes;
}

void link_done(struct link *link)
{
    struct link_frame *frame = &link->frames[link->serving];
    frame->size = 0;
    frame->damaged = false;
    frame->complete = false;
    link->serving ^= 1;
}

void link_send(struct link *link, size_t size)
{
    const struct link_frame *next = &link->frames[link->filling];
    if (next->size != 0 || next->complete || link->frames[link->serving].complete)
        return;
    link->sending = true;
    port_rs485_receiver(false);
    port_rs485_driver(true);
    port_rs485_transmit(link->reply, size);
}

bool link_quiet(const struct link *link)
{
    return !link->sending && !link->frames[link->serving].complete && link->frames[link->filling].size == 0;
}

uint32_t link_silence_us(uint32_t baud, enum wire_format format, enum wire_gap gap)
{
    const uint32_t bits = format == WIRE_FORMAT_F8N1 ? 10 : 11;
    if (gap == WIRE_GAP_STANDARD && baud > 19200)
        return 1750;
    return (bits * 3500000u + baud - 1) / baud; /* 3.5 characters */
}
