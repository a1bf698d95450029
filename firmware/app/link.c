#include "app/link.h"

#include "port/port.h"

/* What interrupts and the main loop tell each other, on one core: no more order than that is needed. */
#define GET(field) atomic_load_explicit(&(field), memory_order_acquire)
#define SET(field, value) atomic_store_explicit(&(field), value, memory_order_release)

void link_on_byte(struct link *link, uint8_t byte, bool damaged)
{
    struct link_frame *frame = &link->frames[GET(link->filling)];
    if (GET(link->sending))
        return; /* our own echo: the receiver is off, but its last character may still come */
    if (GET(frame->complete)) {
        link->overruns++; /* both frames wait to be served */
        return;
    }
    const uint16_t size = GET(frame->size);
    if (size < MODBUS_FRAME_MAX) {
        frame->bytes[size] = byte;
        SET(frame->size, (uint16_t)(size + 1));
    } else {
        frame->damaged = true;
    }
    frame->damaged |= damaged;
}

void link_on_overrun(struct link *link)
{
    link->overruns++;
    link->frames[GET(link->filling)].damaged = true;
}

void link_on_silence(struct link *link)
{
    struct link_frame *frame = &link->frames[GET(link->filling)];
    if (GET(frame->complete) || GET(link->sending) || (GET(frame->size) == 0 && !frame->damaged))
        return;
    SET(frame->complete, true);
    link->filling ^= 1;
}

void link_on_sent(struct link *link)
{
    port_rs485_driver(false);
    port_rs485_receiver(true);
    struct link_frame *frame = &link->frames[GET(link->filling)];
    if (!GET(frame->complete)) {
        SET(frame->size, 0);
        frame->damaged = false;
    }
    SET(link->sending, false);
}

const uint8_t *link_receive(struct link *link, size_t *size)
{
    const struct link_frame *frame = &link->frames[link->serving];
    if (!GET(frame->complete) || GET(link->sending))
        return NULL;
    *size = frame->damaged ? 0 : GET(frame->size);
    return frame->bytes;
}

void link_done(struct link *link)
{
    struct link_frame *frame = &link->frames[link->serving];
    SET(frame->size, 0);
    frame->damaged = false;
    SET(frame->complete, false);
    link->serving ^= 1;
}

void link_send(struct link *link, size_t size)
{
    const struct link_frame *next = &link->frames[GET(link->filling)];
    if (GET(next->size) != 0 || GET(next->complete) || GET(link->frames[link->serving].complete))
        return;
    SET(link->sending, true);
    port_rs485_receiver(false);
    port_rs485_driver(true);
    port_rs485_transmit(link->reply, size);
}

bool link_quiet(const struct link *link)
{
    return !GET(link->sending) && !GET(link->frames[link->serving].complete) &&
           GET(link->frames[GET(link->filling)].size) == 0;
}

uint32_t link_silence_us(uint32_t baud, enum wire_format format, enum wire_gap gap)
{
    const uint32_t bits = format == WIRE_FORMAT_F8N1 ? 10 : 11;
    if (gap == WIRE_GAP_STANDARD && baud > 19200)
        return 1750;
    return (bits * 3500000u + baud - 1) / baud; /* 3.5 characters */
}
