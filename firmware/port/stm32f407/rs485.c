/* The line's USART at register level, and a timer for the silence that ends a frame.
 *
 * Both interrupts have the same priority, so the link's events never interrupt each other. They stand in RAM, so
 * that they are taken while the flash is at work. Register facts: RM0090, chapters 20 (basic timers) and 30
 * (USART). */
#include <stdatomic.h>

#include "app/link.h"
#include "board.h"
#include "internal.h"
#include "port/port.h"

#define PRIORITY 1u
#define RECEIVE_ERRORS (USART_SR_PE | USART_SR_FE | USART_SR_NE)

static struct {
    struct link *link; /* NULL: not opened yet, and the USART has no clock */
    uint8_t address;
    const uint8_t *next, *end; /* of the frame being sent */
} rs485;

void port_rs485_open(const struct port_line *line, struct link *link)
{
    BOARD_USART_CLOCK_ON();
    BOARD_SILENCE_CLOCK_ON();
    NVIC_DisableIRQ(BOARD_USART_IRQ);
    NVIC_DisableIRQ(BOARD_SILENCE_IRQ);
    rs485.link = link;
    rs485.address = line->address;

    uint32_t cr1 = USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE | USART_CR1_UE;
    if (line->format == WIRE_FORMAT_F8E1 || line->format == WIRE_FORMAT_F8O1)
        cr1 |= USART_CR1_M |
               USART_CR1_PCE; /* the parity bit is one of M's 9: without M it would eat a data bit */
    if (line->format == WIRE_FORMAT_F8O1)
        cr1 |= USART_CR1_PS;
    BOARD_USART->CR1 = 0;
    BOARD_USART->CR2 = line->format == WIRE_FORMAT_F8N2 ? USART_CR2_STOP_1 : 0;
    BOARD_USART->CR3 = USART_CR3_EIE;
    BOARD_USART->BRR = (BOARD_USART_HZ + line->baud / 2) / line->baud;
    BOARD_USART->CR1 = cr1;

    BOARD_SILENCE->CR1 = TIM_CR1_OPM | TIM_CR1_URS;
    BOARD_SILENCE->PSC = BOARD_SILENCE_HZ / 1000000u - 1;
    BOARD_SILENCE->ARR = line->silence_us - 1;
    BOARD_SILENCE->EGR = TIM_EGR_UG;
    BOARD_SILENCE->SR = 0;
    BOARD_SILENCE->DIER = TIM_DIER_UIE;

    NVIC_SetPriority(BOARD_USART_IRQ, PRIORITY);
    NVIC_SetPriority(BOARD_SILENCE_IRQ, PRIORITY);
    atomic_signal_fence(memory_order_release); /* the interrupts use what stands above */
    NVIC_EnableIRQ(BOARD_USART_IRQ);
    NVIC_EnableIRQ(BOARD_SILENCE_IRQ);
}

/* ----------------------------------------------------------------------------------- what the link asks for */

RAM_CODE void port_rs485_receiver(bool listening)
{
    BOARD_WRITE(RE, listening == BOARD_RE_LISTEN);
    if (listening) {
        (void)BOARD_USART->SR; /* drop what the receiver still holds */
        (void)BOARD_USART->DR;
    }
}

RAM_CODE void port_rs485_driver(bool driving)
{
    BOARD_WRITE(SE, driving == BOARD_SE_DRIVE);
}

RAM_CODE void port_rs485_transmit(const uint8_t *bytes, size_t size)
{
    rs485.next = bytes;
    rs485.end = bytes + size;
    atomic_signal_fence(memory_order_release); /* the interrupt that CR1 lets through takes them */
    BOARD_USART->CR1 |= USART_CR1_TXEIE;
}

/* ---------------------------------------------------------------------------------------------- interrupts */

RAM_CODE void BOARD_USART_HANDLER(void)
{
    const uint32_t status = BOARD_USART->SR, enabled = BOARD_USART->CR1;
    if (status & (USART_SR_RXNE | USART_SR_ORE)) {
        const uint8_t byte = (uint8_t)BOARD_USART->DR; /* SR, then DR: clears the error flags too */
        BOARD_SILENCE->EGR = TIM_EGR_UG; /* counter to 0; with URS set this is no update event */
        BOARD_SILENCE->CR1 |= TIM_CR1_CEN;
        if (status & USART_SR_ORE)
            link_on_overrun(rs485.link);
        if (status & USART_SR_RXNE)
            link_on_byte(rs485.link, byte, (status & RECEIVE_ERRORS) != 0);
    }
    if ((enabled & USART_CR1_TXEIE) && (status & USART_SR_TXE)) {
        if (rs485.next + 1 == rs485.end) {
            /* TC is cleared before the last byte goes out, and looked at only after it: a TC left from the
             * gap before would end the reply early. */
            BOARD_USART->SR = ~USART_SR_TC;
            BOARD_USART->CR1 = (enabled & ~USART_CR1_TXEIE) | USART_CR1_TCIE;
        }
        BOARD_USART->DR = *rs485.next++;
    } else if ((enabled & USART_CR1_TCIE) && (status & USART_SR_TC)) {
        BOARD_USART->CR1 = enabled & ~USART_CR1_TCIE;
        link_on_sent(rs485.link);
    }
    port_wake();
}

RAM_CODE void BOARD_SILENCE_HANDLER(void)
{
    BOARD_SILENCE->SR = 0;
    link_on_silence(rs485.link);
    port_wake();
    port_round();
}

/* ----------------------------------------------------------------------------- while the flash is at work */

/* Bit by bit, as the table of core/crc.c lies in the flash. */
static RAM_CODE uint16_t crc_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xFFFF;
    while (size--) {
        crc ^= *bytes++;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xA001u : 0);
    }
    return (uint16_t)crc;
}

RAM_CODE void rs485_answer_busy(void)
{
    struct link *link = rs485.link;
    if (!link)
        return; /* the stores are being put in order at start */
    size_t size;
    const uint8_t *request = link_receive(link, &size);
    if (!request)
        return;
    const bool whole = size >= MODBUS_FRAME_MIN && crc_of(request, size) == 0;
    const bool ours = whole && request[0] == rs485.address;
    const bool broadcast = whole && request[0] == MODBUS_BROADCAST;
    const uint8_t function = request[1];
    if (ours || broadcast)
        link_heard(link, function);
    if (broadcast)
        link->missed++;
    link_done(link);
    if (!ours)
        return;
    uint8_t *reply = link->reply;
    reply[0] = rs485.address;
    reply[1] = function | 0x80u;
    reply[2] = MODBUS_DEVICE_BUSY;
    const uint16_t crc = crc_of(reply, 3);
    reply[3] = (uint8_t)crc;
    reply[4] = (uint8_t)(crc >> 8);
    link_send(link, 5);
}
