/* The channels: a timer starts each scan, the ADC converts what is wanted, DMA carries it off.
 *
 * The timer's interrupt starts the ADC by software, at the highest priority and from RAM, so that neither the
 * line nor the flash holds it up; the same works in Renode, whose ADC knows no trigger. Channels are converted in
 * ascending order, one behind the other: at 84 cycles of sampling A1 is 4.6 us behind A0, and so on; all eight take
 * 74.3 us of the 100 that a scan may last. Levels are read as the scan begins.
 *
 * A second timer of the same clock runs free: a scan gets the number that is nearest to the time at which it begins,
 * and the numbers in between are lost. So what was slept over, or came before the scan before it was done, is
 * counted. Where the ADC or the DMA stands, it is begun anew every few scans, and these are counted as lost at once, so
 * that the numbers run on.
 *
 * The two timers have 32 bits, so that the period is the nearest whole number of cycles of 84 MHz without a prescaler:
 * at 10 kHz a rate is off by 6e-5 at most, and by less below.
 *
 * Register facts: RM0090, chapters 10 (DMA), 13 (ADC) and 18 (timers). */
#include "app/sampler.h"
#include "board.h"
#include "internal.h"
#include "port/port.h"

#define ANALOG_MASK ((1u << WIRE_ANALOG) - 1u)
#define DIGITAL_MASK ((1u << WIRE_DIGITAL) - 1u)

/* One word after the other from the ADC's data register. */
#define DMA_SETUP                                                                                            \
    (BOARD_ADC_DMA_CHANNEL | DMA_SxCR_PL | DMA_SxCR_MSIZE_1 | DMA_SxCR_PSIZE_1 | DMA_SxCR_MINC |             \
     DMA_SxCR_TCIE)

/* A scan that is not done after so many periods, 100 us or longer, never will be: the ADC or the DMA stands. */
#define DEAD_SCANS 3u

#define SCAN_LONGEST (BOARD_SCAN_HZ / WIRE_RATE_MAX) /* 100 us */

#define ADC_SETUP (ADC_CR2_DMA | ADC_CR2_DDS | ADC_CR2_ADON)

static struct {
    struct sampler *sampler;
    uint32_t channels; /* analog channel n in bit n */
    uint32_t count;    /* of them */
    uint32_t period;   /* of a scan, in cycles of the timers */
    uint32_t due;      /* when the last scan that was counted should have begun, by the free-running timer */
    uint32_t lost;     /* scans since the last that was begun */
    uint32_t missed;   /* scans before the one under way */
    uint32_t levels;
    volatile bool converting;
    uint32_t results[WIRE_ANALOG]; /* the DMA's: in memory that it reaches */
} senses;

uint32_t port_channels(void)
{
    return DIGITAL_MASK << WIRE_ANALOG | ANALOG_MASK;
}

const uint16_t *port_calibration(void)
{
    static uint16_t calibration[WIRE_CALIBRATION];
    calibration[0] = *(const uint16_t *)BOARD_TEMPERATURE_30;
    calibration[1] = *(const uint16_t *)BOARD_TEMPERATURE_110;
    calibration[2] = *(const uint16_t *)BOARD_REFERENCE;
    return calibration;
}

void port_decided(const struct port_window *window)
{
    (void)window; /* the lamp shows what there is to be seen */
}

/* -------------------------------------------------------------------------------------------- the interrupts */

static RAM_CODE void deliver(void)
{
    uint16_t analog[WIRE_ANALOG];
    const volatile uint32_t *result = senses.results;
    for (unsigned i = 0; i < WIRE_ANALOG; i++)
        analog[i] = senses.channels >> i & 1u ? (uint16_t)*result++ : WIRE_SAMPLE_MISSING;
    sampler_on_scan(senses.sampler, analog, senses.levels, senses.missed);
    port_wake();
}

RAM_CODE void BOARD_SCAN_HANDLER(void)
{
    BOARD_SCAN->SR = 0;
    const uint32_t passed = BOARD_FREE->CNT - senses.due;
    const uint32_t scans = (passed + senses.period / 2) / senses.period;
    senses.due += scans * senses.period;
    senses.lost += scans;
    if (scans == 0)
        return; /* so late was the one before that this number is its */
    if (senses.converting) {
        const bool overrun = BOARD_ADC->SR & ADC_SR_OVR;
        if (!overrun && (senses.lost < DEAD_SCANS || BOARD_ADC_DMA_DONE()))
            return;
        /* The one under way will never be whole: told at once, as none may ever be again. */
        sampler_on_loss(senses.sampler, senses.missed + senses.lost);
        port_wake();
        senses.lost = 1;
        senses.converting = false;
        if (!overrun) {
            BOARD_ADC->CR2 = 0; /* it must be on for 3 us before it begins anew: at the next tick */
            BOARD_ADC->CR2 = ADC_SETUP;
            return;
        }
        BOARD_ADC->CR2 = ADC_CR2_ADON; /* drops the request that nobody has served */
    }
    senses.missed = senses.lost - 1;
    senses.lost = 0;
    if (senses.count) {
        senses.converting = true;
        BOARD_ADC_STREAM->CR = DMA_SETUP;
        while (BOARD_ADC_STREAM->CR & DMA_SxCR_EN)
            ; /* after an overrun it is still at work */
        BOARD_ADC_DMA_FORGET();
        BOARD_ADC_STREAM->NDTR = senses.count;
        BOARD_ADC_STREAM->CR = DMA_SETUP | DMA_SxCR_EN;
        BOARD_ADC->SR = 0;
        BOARD_ADC->CR2 = ADC_SETUP;
        BOARD_ADC->CR2 = ADC_SETUP | ADC_CR2_SWSTART;
    }
    senses.levels = BOARD_DIGITAL_PORT->IDR >> BOARD_DIGITAL_FIRST & DIGITAL_MASK;
    if (!senses.count)
        deliver();
}

RAM_CODE void BOARD_ADC_DMA_HANDLER(void)
{
    if (!BOARD_ADC_DMA_DONE())
        return; /* a stream that is switched off says so too */
    BOARD_ADC_DMA_FORGET();
    deliver();
    senses.converting = false;
}

/* ------------------------------------------------------------------------------------------ start and stop */

static void stop(void)
{
    BOARD_SCAN->CR1 = 0;
    NVIC_DisableIRQ(BOARD_SCAN_IRQ);
    const uint32_t since = BOARD_FREE->CNT;
    while (senses.converting && !(BOARD_ADC->SR & ADC_SR_OVR) && BOARD_FREE->CNT - since < SCAN_LONGEST)
        ; /* the scan under way, unless it is dead */
    NVIC_DisableIRQ(BOARD_ADC_DMA_IRQ);
    senses.converting = false;
    BOARD_ADC->CR2 = 0;
    BOARD_ADC_COMMON->CCR = 0;
}

/* The ADC is stable after 3 us, the temperature sensor after 10 (data sheet): the first scan is 100 us away. */
static void start_adc(void)
{
    uint32_t sequence[2] = {0, 0}; /* six channels, and the rest */
    unsigned count = 0;
    for (unsigned i = 0; i < WIRE_ANALOG; i++) {
        if (senses.channels >> i & 1u) {
            sequence[count / 6] |= (BOARD_ADC_FIRST + i) << 5 * (count % 6);
            count++;
        }
    }
    senses.count = count;
    if (!count)
        return;
    BOARD_ADC_COMMON->CCR = BOARD_ADC_PRESCALER | ADC_CCR_TSVREFE;
    BOARD_ADC->CR1 = ADC_CR1_SCAN;
    BOARD_ADC->SMPR1 = BOARD_ADC_SAMPLING;
    BOARD_ADC->SQR1 = (count - 1) << ADC_SQR1_L_Pos;
    BOARD_ADC->SQR2 = sequence[1];
    BOARD_ADC->SQR3 = sequence[0];
    BOARD_ADC->CR2 = ADC_SETUP;
    BOARD_ADC_STREAM->PAR = (uint32_t)&BOARD_ADC->DR;
    BOARD_ADC_STREAM->M0AR = (uint32_t)senses.results;
}

static void start_timers(void)
{
    BOARD_SCAN->CR1 = TIM_CR1_URS;
    BOARD_SCAN->ARR = senses.period - 1;
    BOARD_SCAN->EGR = TIM_EGR_UG;
    BOARD_SCAN->SR = 0;
    BOARD_SCAN->DIER = TIM_DIER_UIE;
    BOARD_FREE->CR1 = TIM_CR1_CEN;
    NVIC_SetPriority(BOARD_SCAN_IRQ, BOARD_SCAN_PRIORITY);
    NVIC_SetPriority(BOARD_ADC_DMA_IRQ, BOARD_SCAN_PRIORITY);
    NVIC_ClearPendingIRQ(BOARD_SCAN_IRQ);
    NVIC_ClearPendingIRQ(BOARD_ADC_DMA_IRQ);
    NVIC_EnableIRQ(BOARD_SCAN_IRQ);
    NVIC_EnableIRQ(BOARD_ADC_DMA_IRQ);
    senses.due = BOARD_FREE->CNT;
    BOARD_SCAN->CR1 = TIM_CR1_URS | TIM_CR1_CEN;
}

void port_sample(uint32_t channels, uint32_t rate, struct sampler *sampler)
{
    BOARD_SENSES_CLOCKS_ON();
    stop();
    if (channels == 0)
        return;
    senses.sampler = sampler;
    senses.channels = channels & ANALOG_MASK;
    senses.period = (BOARD_SCAN_HZ + rate / 2) / rate;
    senses.lost = 0;
    start_adc();
    start_timers();
}
