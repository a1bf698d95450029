/* Any events of the receiver and the main loop, in any order and any number, with any bytes and any baud rate.
 * An interrupt between two statements of the main loop is not entered here. */
#include "app/link.h"

#include "port/port.h"
#include "tests/proof/any.h"

void port_rs485_receiver(bool listening)
{
}

void port_rs485_driver(bool driving)
{
}

void port_rs485_transmit(const uint8_t *bytes, size_t size)
{
    //@ check in_the_buffer: \valid_read(bytes + (0 .. size - 1));
}

static void serve(struct link *link)
{
    size_t size = 0;
    const uint8_t *frame = link_receive(link, &size);
    if (frame == NULL)
        return;
    //@ check a_frame: \valid_read(frame + (0 .. size - 1)) && size <= MODBUS_FRAME_MAX;
    link_send(link, any_between(1, MODBUS_FRAME_MAX));
    link_done(link);
}

int main(void)
{
    static struct link link;
    //@ loop widen_hints "all", MODBUS_FRAME_MAX;
    while (any_bool()) {
        /* or the byte written into one of two frames could be anything between them, to Eva */
        //@ split link.filling;
        //@ split link.serving;
        switch (any_between(0, 5)) {
        case 0:
            link_on_byte(&link, (uint8_t)any_between(0, UINT8_MAX), any_bool());
            break;
        case 1:
            link_on_overrun(&link);
            break;
        case 2:
            link_on_silence(&link);
            break;
        case 3:
            link_on_sent(&link);
            break;
        case 4:
            serve(&link);
            break;
        default:
            link_quiet(&link);
        }
        //@ merge link.filling;
        ;
        //@ merge link.serving;
        ;
    }
    link_silence_us(any_between(WIRE_BAUD_MIN, WIRE_BAUD_MAX), (enum wire_format)any_between(0, 3),
                    (enum wire_gap)any_between(0, 1));
    return 0;
}
