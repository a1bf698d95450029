/* image_open on any bytes. Of the bytes themselves it reads the header and the CRC, before it takes the first part:
 * for each length up to LENGTH_MAX, the image ending where its buffer ends, and nothing to be taken; then with any parts. */
#include "core/image.h"

#include "core/infer.h"
#include "tests/proof/any.h"
#include "tests/proof/any_reader.h"

#define LENGTH_MAX 256

static uint8_t bytes[WIRE_IMAGE_MAX];

void infer(const struct image *image, const int16_t *inputs, int16_t *outputs)
{
}

static void open_image(const uint8_t *start, size_t length)
{
    static struct image image;
    uint16_t detail;
    image_open(&image, start, length, &detail);
}

/* Each length up to LENGTH_MAX, ending where its buffer ends: more would take minutes. */
static void open_each_length(void)
{
    size_t words = any_between(0, LENGTH_MAX / 4);
    //@ split words;
    open_image(bytes + sizeof bytes - 4 * words, 4 * words);
}

static void open_other_lengths(void)
{
    uint8_t *last = bytes + sizeof bytes - sizeof(struct image_header) - 4;
    size_t odd = any_between(1, 3);
    //@ split odd;
    open_image(last + odd, any_between(0, (sizeof(struct image_header) / 4)) * 4 + odd);
    open_image(last, any_between(sizeof(struct image_header) / 4 + 1, UINT32_MAX / 4) * 4 + odd);
    open_image(last, any_between(WIRE_IMAGE_MAX + 1, SIZE_MAX));
}

static void open_any_parts(void)
{
    open_image(bytes, any_between(sizeof(struct image_header) + 4, sizeof bytes));
}

int main(void)
{
    Frama_C_make_unknown((char *)bytes, sizeof bytes);
    any_reader_refuses = true;
    open_each_length();
    open_other_lengths();
    any_reader_refuses = false;
    open_any_parts();
    return 0;
}
