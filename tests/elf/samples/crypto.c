// firmware/crypto with the library, as platformio.ini builds them; the tests call it.
#include "crypto/crypto.h"
#include "regs.h"

int main(void)
{
    for (;;)
        wfi();
}
