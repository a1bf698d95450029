*** Settings ***
Documentation       A day with one node: the firmware as it is flashed, on a board in Renode, over its UART.
Resource            ${CURDIR}/node.resource
Suite Setup         Setup
Suite Teardown      Teardown
Test Setup          Take An Empty Bus
Test Teardown       Test Teardown
Test Timeout        3 minutes

*** Test Cases ***
Power On Tests The Lamp And Finds No Model
    Put The Firmware On A Blank Board
    Let Time Pass           0.01
    Lamp Should Be          lit
    Let Time Pass           0.23
    Lamp Should Be          lit
    Let Time Pass           0.02
    Lamp Should Be          dark
    Let Time Pass           1
    @{lamp}=                What Happened    LED
    Should Be Equal         ${lamp}    ${{['node LED high', 'node LED low']}}
    ${valid}=               Read    MODEL_VALID
    Should Be Equal As Integers    ${valid}    0
    ${sequence}=            Read    SEQUENCE
    Should Be Equal As Integers    ${sequence}    0
    ${cause}=               Read    START_CAUSE
    Should Be Equal         ${cause}    POWER
    ${uid}=                 Read    UID
    Should Start With       ${uid}    01000000

Nothing Is Amiss On A Good Board
    A Board Is Running
    Nothing Is Amiss
    ${version}=             Read    WIRE_VERSION
    Should Be Equal As Integers    ${version}    2
    ${missed}=              Read    MISSED
    Should Be Equal As Integers    ${missed}    0
    FOR    ${round}    IN RANGE    3
        Deploy                  ${IMAGES}/and.img
        Deploy                  ${IMAGES}/or.img
        Nothing Is Amiss
    END
    Restart
    Nothing Is Amiss
    Model Should Be         ${IMAGES}/or.img

The Chip Is Set Up As The Board Wants It
    A Board Is Running
    Bits Should Be          ${PWR_CR}    0xE0    0xE0    # the voltage detector's level, 7
    Bits Should Be          ${GPIOB_PUPDR}    0xC0000    0    # no pull on SE
    Bits Should Be          ${DBGMCU_APB1FZ}    0x1000    0x1000    # a debugger's halt stops the watchdog
    ${vectors}=             Execute Command    sysbus GetSymbolAddress "vectors_in_ram"
    Bits Should Be          ${SCB_VTOR}    0xFFFFFFFF    ${vectors}

AND Is Deployed And The Lamp Follows It
    A Board Is Running
    Set Inputs              1    1
    Lamp Should Be          dark
    Stage                   ${IMAGES}/and.img    last_first=True
    Verify                  ${IMAGES}/and.img
    Lamp Should Be          dark
    Commit                  ${IMAGES}/and.img
    Lamp Should Be          lit
    Model Should Be         ${IMAGES}/and.img
    ${name}=                Read    MODEL_NAME
    Should Be Equal         ${name}    and
    Lamp Should Follow      dark    dark    dark    lit

A Bad Image Is Refused And The Old Model Lives
    A Board Is Running A Model    and.img
    FOR    ${image}    ${reason}    IN
    ...    damaged.img    CRC
    ...    lying.img    SELF_TEST
        Stage                   ${IMAGES}/${image}
        Run Keyword And Expect Error    exception 04, device failure    Verify    ${IMAGES}/${image}
        Refusal Should Be       ${reason}
        Run Keyword And Expect Error    exception 04, device failure    Commit    ${IMAGES}/${image}
        Refusal Should Be       NOT_VERIFIED
        Model Should Be         ${IMAGES}/and.img
        Lamp Should Follow      dark    dark    dark    lit
    END

The Model Outlives A Loss Of Power
    A Board Is Running A Model    and.img
    Power Is Lost And Comes Back
    Let Time Pass           0.1
    Lamp Should Be          lit
    Let Time Pass           0.2
    Lamp Should Be          dark
    ${cause}=               Read    START_CAUSE
    Should Be Equal         ${cause}    POWER
    Model Should Be         ${IMAGES}/and.img
    Lamp Should Follow      dark    dark    dark    lit

The Model Before Comes Back
    A Board Is Running A Model    and.img
    Run Keyword And Expect Error    exception 04, device failure    Roll Back
    Refusal Should Be       NO_PREVIOUS
    Deploy                  ${IMAGES}/or.img
    Lamp Should Follow      dark    lit    lit    lit
    Roll Back
    Model Should Be         ${IMAGES}/and.img
    Lamp Should Follow      dark    dark    dark    lit
    ${sequence}=            Read    SEQUENCE
    Should Be Equal As Integers    ${sequence}    3
    Power Is Lost And Comes Back
    Let Time Pass           0.5
    Model Should Be         ${IMAGES}/and.img
    Roll Back
    Model Should Be         ${IMAGES}/or.img
    Lamp Should Follow      dark    lit    lit    lit

A Node That Hangs Is Started Again
    A Board Is Running A Model    and.img
    Set Inputs              1    1
    The Processor Runs Into    ${HANG}
    Nobody Answers At       1
    Let Time Pass           2.5
    ${cause}=               Read    START_CAUSE
    Should Be Equal         ${cause}    WATCHDOG
    ${uptime}=              Read    UPTIME
    Should Be True          ${uptime} < 1500
    Model Should Be         ${IMAGES}/and.img
    Lamp Should Follow      dark    dark    dark    lit

A Node That Crashes Says Where
    A Board Is Running A Model    and.img
    What Happened
    The Processor Runs Into    ${CRASH}
    Let Time Pass           0.8
    @{happened}=            What Happened
    Should Be Equal         ${happened}    ${{3 * ['node LED high', 'node LED low']}}
    Let Time Pass           3
    ${cause}=               Read    START_CAUSE
    Should Be Equal         ${cause}    FAULT
    ${pc}=                  Read    FAULT_PC
    Should Be Equal As Integers    ${pc}    ${{ int($RAM_END, 16) + 2 }}
    ${kind}=                Read    FAULT_FILE
    # No other fault is enabled, so it is a HardFault on the chip; Renode's processor takes it as what it was.
    Should Match Regexp     ${kind}    ^(HardFault|UsageFault)$
    Model Should Be         ${IMAGES}/and.img
    Lamp Should Follow      dark    dark    dark    lit

A Node Is Told To Restart
    A Board Is Running A Model    and.img
    Restart
    ${cause}=               Read    START_CAUSE
    Should Be Equal         ${cause}    SOFTWARE
    Model Should Be         ${IMAGES}/and.img

Whoever Holds The Pin At Power On Is There Until The Next Start
    A Board Is Running
    Someone Should Be There    ${False}
    Execute Command         $global.nobody=false
    Restart
    Someone Should Be There    ${False}
    Power Is Lost And Comes Back    nobody=false
    Let Time Pass           0.5
    Someone Should Be There    ${True}
    Execute Command         $global.nobody=true
    Restart
    Someone Should Be There    ${False}

The First Key Is Installed By Whoever Holds The Pin
    A Board Is Running
    Run Keyword And Expect Error    exception 04, device failure    Give    ${IMAGES}/key.order
    Refusal Should Be       PRESENCE
    Power Is Lost And Comes Back    nobody=false
    Let Time Pass           0.5
    Give                    ${IMAGES}/key.order
    A Key Should Be Installed    ${True}
    Power Is Lost And Comes Back
    Let Time Pass           0.5
    A Key Should Be Installed    ${True}
    Someone Should Be There    ${False}
    Set Inputs              1    1
    Stage                   ${IMAGES}/and.img
    Verify                  ${IMAGES}/and.img
    Run Keyword And Expect Error    exception 04, device failure    Commit    ${IMAGES}/and.img
    Refusal Should Be       UNSIGNED
    Lamp Should Be          dark
    Give                    ${IMAGES}/keep_and.order
    Lamp Should Be          lit
    Model Should Be         ${IMAGES}/and.img
    Run Keyword And Expect Error    exception 04, device failure    Give    ${IMAGES}/key.order
    Refusal Should Be       COUNTER
    Nothing Is Amiss

The Transceiver Turns Before The First Byte And After The Last
    A Board Is Running
    Read                    WIRE_VERSION
    @{order}=               Directions And Bytes
    Should Be Equal         ${order}    ${{['RE high', 'SE high', '7 bytes', 'SE low', 'RE low']}}
    Nobody Answers At       2
    @{order}=               Directions And Bytes
    Should Be Empty         ${order}

*** Variables ***
${PWR_CR}           0x40007000
${GPIOB_PUPDR}      0x4002040C
${DBGMCU_APB1FZ}    0xE0042008
${SCB_VTOR}         0xE000ED08
${RAM_END}          0x2001FF00    # not used by the firmware
${HANG}             0xE7FE    # b .
${CRASH}            0xDE00B662    # cpsie i, as the firmware sleeps with interrupts masked; udf

*** Keywords ***
Nothing Is Amiss
    [Documentation]         No fault since the start: neither supply nor crystal, and nothing in the flash has rotted.
    ${faults}=              Read    FAULTS
    Should Be Equal As Integers    ${faults}    0
    ${fault}=               Read    FAULT
    Should Be Equal As Integers    ${fault}    0

Someone Should Be There
    [Arguments]             ${there}
    ${trust}=               Read    TRUST
    Should Be Equal         ${{ bool(int($trust) & 2) }}    ${there}

A Key Should Be Installed
    [Arguments]             ${installed}
    ${trust}=               Read    TRUST
    Should Be Equal         ${{ bool(int($trust) & 1) }}    ${installed}

Bits Should Be
    [Documentation]         Of a register of the chip, those of the mask.
    [Arguments]             ${register}    ${mask}    ${wanted}
    ${value}=               Execute Command    sysbus ReadDoubleWord ${register}
    Should Be Equal As Integers    ${{ int($value.strip(), 16) & int($mask, 16) }}    ${{ int($wanted, 16) }}

The Processor Runs Into
    [Documentation]         The instruction is put where nothing else is, and the processor sent there.
    [Arguments]             ${instruction}
    Execute Command         sysbus WriteDoubleWord ${RAM_END} ${instruction}
    Execute Command         cpu PC ${RAM_END}
