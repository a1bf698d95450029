/* USART3 at register level, and TIM7 for the silence that ends a frame.
 *
 * Both interrupts have the same priority, so the link's events never interrupt each other. Register facts:
 * RM0090, chapters 20 (TIM7) and 30 (USART). */
#include "app/link.h"
#include "board.h"
#include "internal.h"
#include "port/port.h"

#define PRIORITY 1u
#define RECEIVE_ERRORS (USART_SR_PE | USART_SR_FE | USART_SR_NE)

static struct {
    struct link *link;
    uint8_t address;
    const uint8_t *next, *end; /* of the reply being sent */
} rs485;

static void restart_silence(void)
{
    TIM7->EGR = TIM_EGR_UG; /* counter to 0; with URS set this is no update event */
    TIM7->CR1 |= TIM_CR1_CEN;
}

void port_rs485_open(const struct port_line *line, struct link *link)
{
    __HAL_RCC_USART3_CLK_ENABLE();
    __HAL_RCC_TIM7_CLK_ENABLE();
    NVIC_DisableIRQ(USART3_IRQn);
    NVIC_DisableIRQ(TIM7_IRQn);
    rs485.link = link;
    rs485.address = line->address;

    uint32_t cr1 = USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE | USART_CR1_UE;
    if (line->format == WIRE_FORMAT_F8E1 || line->format == WIRE_FORMAT_F8O1)
        cr1 |= USART_CR1_M |
               USART_CR1_PCE; /* the parity bit is one of M's 9: without M it would eat a data bit */
    if (line->format == WIRE_FORMAT_F8O1)
        cr1 |= USART_CR1_PS;
    USART3->CR1 = 0;
    USART3->CR2 = line->format == WIRE_FORMAT_F8N2 ? USART_CR2_STOP_1 : 0;
    USART3->CR3 = USART_CR3_EIE;
    USART3->BRR = (BOARD_APB1_HZ + line->baud / 2) / line->baud;
    USART3->CR1 = cr1;

    TIM7->CR1 = TIM_CR1_OPM | TIM_CR1_URS;
    TIM7->PSC = BOARD_APB1_TIMER_HZ / 1000000u - 1;
    TIM7->ARR = line->silence_us - 1;
    TIM7->EGR = TIM_EGR_UG;
    TIM7->SR = 0;
    TIM7->DIER = TIM_DIER_UIE;

    NVIC_SetPriority(USART3_IRQn, PRIORITY);
    NVIC_SetPriority(TIM7_IRQn, PRIORITY);
    NVIC_EnableIRQ(USART3_IRQn);
    NVIC_EnableIRQ(TIM7_IRQn);
}

void port_rs485_transmit(const uint8_t *bytes, size_t size)
{
    rs485.next = bytes;
    rs485.end = bytes + size;
    USART3->CR1 |= USART_CR1_TXEIE;
}

void USART3_IRQHandler(void)
{
    const uint32_t status = USART3->SR, enabled = USART3->CR1;
    port_wake();
    if (status & (USART_SR_RXNE | USART_SR_ORE)) {
        const uint8_t byte = (uint8_t)USART3->DR; /* SR, then DR: clears the error flags too */
        restart_silence();
        if (status & USART_SR_ORE)
            link_on_overrun(rs485.link);
        if (status & USART_SR_RXNE)
            link_on_byte(rs485.link, byte, (status & RECEIVE_ERRORS) != 0);
    }
    if ((enabled & USART_CR1_TXEIE) && (status & USART_SR_TXE)) {
        if (rs485.next + 1 == rs485.end) {
            /* TC is cleared before the last byte goes out, and looked at only after it: a TC left from the
             * gap before would end the reply early. */
            USART3->SR = ~USART_SR_TC;
            USART3->CR1 = (enabled & ~USART_CR1_TXEIE) | USART_CR1_TCIE;
        }
        USART3->DR = *rs485.next++;
    } else if ((enabled & USART_CR1_TCIE) && (status & USART_SR_TC)) {
        USART3->CR1 = enabled & ~USART_CR1_TCIE;
        link_on_sent(rs485.link);
    }
}

void TIM7_IRQHandler(void)
{
    port_wake();
    TIM7->SR = 0;
    link_on_silence(rs485.link);
}

/* ----------------------------------------------------------------------------- while the flash is at work */

/* All of this stands in RAM, and touches nothing in the flash: no tables, no constants, no library. */

static struct {
    uint8_t frame[MODBUS_FRAME_MAX];
    uint16_t size;
    bool damaged;
    bool answering;
    uint8_t reply[5];
    uint8_t sent; /* bytes of the reply in the transmitter */
    bool replying;
} stall;

void rs485_stall_begin(bool answering)
{
    stall.size = 0;
    stall.damaged = stall.replying = false;
    stall.answering = answering;
    if (!answering)
        return;
    /* A request may have begun since the line was last seen quiet: it is answered as a whole. */
    struct link_frame *heard = &rs485.link->frames[rs485.link->filling];
    for (; stall.size < heard->size; stall.size++)
        stall.frame[stall.size] = heard->bytes[stall.size];
    stall.damaged = heard->damaged;
    heard->size = 0;
    heard->damaged = false;
}

static RAM_CODE uint16_t crc_of(const uint8_t *bytes, unsigned size)
{
    uint32_t crc = 0xFFFF;
    while (size--) {
        crc ^= *bytes++;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xA001u : 0);
    }
    return (uint16_t)crc;
}

static RAM_CODE void answer_busy(void)
{
    if (stall.damaged || stall.size < MODBUS_FRAME_MIN || stall.size > MODBUS_FRAME_MAX ||
        stall.frame[0] != rs485.address || crc_of(stall.frame, stall.size) != 0)
        return;
    stall.reply[0] = rs485.address;
    stall.reply[1] = stall.frame[1] | 0x80u;
    stall.reply[2] = MODBUS_DEVICE_BUSY;
    const uint16_t crc = crc_of(stall.reply, 3);
    stall.reply[3] = (uint8_t)crc;
    stall.reply[4] = (uint8_t)(crc >> 8);
    stall.sent = 0;
    stall.replying = true;
    GPIOB->BSRR = GPIO_PIN_8; /* RE high, then SE high: board.h's pins, as no constant can be read now */
    GPIOB->BSRR = GPIO_PIN_9;
    USART3->CR1 |= USART_CR1_TXEIE;
}

/* As USART3_IRQHandler does it. */
static RAM_CODE void send_on(uint32_t status)
{
    const uint32_t enabled = USART3->CR1;
    if ((enabled & USART_CR1_TXEIE) && (status & USART_SR_TXE)) {
        if (stall.sent + 1u == sizeof stall.reply) {
            USART3->SR = ~USART_SR_TC;
            USART3->CR1 = (enabled & ~USART_CR1_TXEIE) | USART_CR1_TCIE;
        }
        USART3->DR = stall.reply[stall.sent++];
    } else if ((enabled & USART_CR1_TCIE) && (status & USART_SR_TC)) {
        USART3->CR1 = enabled & ~USART_CR1_TCIE;
        GPIOB->BSRR = (uint32_t)GPIO_PIN_9 << 16;
        GPIOB->BSRR = (uint32_t)GPIO_PIN_8 << 16;
        (void)USART3->DR;
        stall.replying = false;
    }
}

RAM_CODE void rs485_stall_poll(void)
{
    if (!rs485.link)
        return; /* the store is being put in order at start */
    /* Cleared before the look: what happens after it makes them pending again. */
    NVIC->ICPR[USART3_IRQn >> 5] = 1u << (USART3_IRQn & 31);
    if (stall.answering)
        NVIC->ICPR[TIM7_IRQn >> 5] = 1u << (TIM7_IRQn & 31);
    const uint32_t status = USART3->SR;
    if (stall.replying) {
        send_on(status);
        return;
    }
    if (status & (USART_SR_RXNE | USART_SR_ORE)) {
        const uint8_t byte = (uint8_t)USART3->DR;
        TIM7->EGR = TIM_EGR_UG;
        TIM7->CR1 |= TIM_CR1_CEN;
        if (stall.size < MODBUS_FRAME_MAX)
            stall.frame[stall.size++] = byte;
        else
            stall.damaged = true;
        if (status & (USART_SR_ORE | RECEIVE_ERRORS))
            stall.damaged = true;
    }
    if (stall.answering && (TIM7->SR & TIM_SR_UIF)) {
        TIM7->SR = 0;
        answer_busy();
        stall.size = 0;
        stall.damaged = false;
    }
}

void rs485_stall_end(void)
{
    do
        rs485_stall_poll();
    while (stall.replying);
    for (unsigned i = 0; i < stall.size; i++)
        link_on_byte(rs485.link, stall.frame[i], stall.damaged);
}
