*** Settings ***
Documentation       A node of its own: what is fed to its pins is sampled, and lights its lamp without a master.
Resource            ${CURDIR}/node.resource
Suite Setup         Setup
Suite Teardown      Teardown
Test Setup          Take An Empty Bus
Test Teardown       Test Teardown
Test Timeout        3 minutes

*** Test Cases ***
What Stands At The Pins Is Sampled
    A Board Is Running
    Pin Gets                0    1234
    Pin Gets                5    4095
    Execute Command         sysbus.gpioPortC OnGPIO 7 true
    Sample                  200    a0    a5    d0    d1
    Let Time Pass           0.5
    ${now}=                 Read    CHANNEL_NOW
    Should Be Equal         ${now}    ${{[1234, *[65535] * 4, 4095, 65535, 65535]}}
    ${levels}=              Read    LEVELS
    Should Be Equal As Integers    ${levels}    2
    ${head}=                Read    SAMPLES_HEAD
    Should Be True          95 <= ${head} <= 115
    ${lost}=                Read    SCANS_LOST
    Should Be Equal As Integers    ${lost}    0
    ${calibration}=         Read    CALIBRATION
    Should Be Equal         ${calibration}    ${{[944, 1205, 1501]}}

A Fed Signal Lights The Lamp Without A Master
    A Board Is Running
    Pin Gets                0    1000
    Deploy                  ${IMAGES}/level.img
    Let Time Pass           0.2
    Lamp Should Be          dark
    What Happened
    FOR    ${value}    ${lamp}    IN
    ...    3000    lit
    ...    1500    dark
    ...    2500    lit
        Pin Gets                0    ${value}
        Let Time Pass           0.2
        Lamp Should Be          ${lamp}
    END
    @{happened}=            What Happened
    Should Be Equal         ${happened}    ${{['node LED high', 'node LED low', 'node LED high']}}

*** Keywords ***
Pin Gets
    [Documentation]         A0..A7 are the ADC's inputs from 10 on.
    [Arguments]             ${channel}    ${value}
    Execute Command         sysbus.adc1 FeedSample ${value} ${{ 10 + int($channel) }} -1
