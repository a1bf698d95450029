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

The Transceiver Turns Before The First Byte And After The Last
    A Board Is Running
    Read                    WIRE_VERSION
    @{order}=               Directions And Bytes
    Should Be Equal         ${order}    ${{['RE high', 'SE high', '7 bytes', 'SE low', 'RE low']}}
    Nobody Answers At       2
    @{order}=               Directions And Bytes
    Should Be Empty         ${order}

*** Variables ***
${RAM_END}          0x2001FF00    # not used by the firmware
${HANG}             0xE7FE    # b .
${CRASH}            0xDE00B662    # cpsie i, as the firmware sleeps with interrupts masked; udf

*** Keywords ***
The Processor Runs Into
    [Documentation]         The instruction is put where nothing else is, and the processor sent there.
    [Arguments]             ${instruction}
    Execute Command         sysbus WriteDoubleWord ${RAM_END} ${instruction}
    Execute Command         cpu PC ${RAM_END}
