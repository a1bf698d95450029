*** Settings ***
Documentation       Two nodes on one pair of wires.
Resource            ${CURDIR}/node.resource
Suite Setup         Setup
Suite Teardown      Teardown
Test Setup          Two Nodes Share A Bus
Test Teardown       Test Teardown
Test Timeout        3 minutes

*** Test Cases ***
Only The Node That Is Asked Answers
    ${uid}=                 Read    UID    address=1
    Should Start With       ${uid}    01000000
    ${uid}=                 Read    UID    address=2
    Should Start With       ${uid}    02000000
    What Happened
    Read                    WIRE_VERSION    address=1
    @{happened}=            What Happened
    Should Be Equal         ${{ {line.split()[0] for line in $happened} }}    ${{ {'first'} }}
    Read                    WIRE_VERSION    address=2
    @{happened}=            What Happened
    Should Be Equal         ${{ {line.split()[0] for line in $happened} }}    ${{ {'second'} }}
    Nobody Answers At       3

Two Models Run Beside Each Other
    Deploy                  ${IMAGES}/and.img    address=1
    Deploy                  ${IMAGES}/or.img    address=2
    Set Inputs              1    0    address=1
    Set Inputs              1    0    address=2
    Lamp Should Be          dark    first
    Lamp Should Be          lit    second

A Broadcast Reaches Both And Nobody Answers It
    Stage                   ${IMAGES}/and.img    address=0
    FOR    ${address}    IN    1    2
        Run Keyword And Expect Error    exception 04, device failure
        ...    Verify    ${IMAGES}/and.img    address=${address}
        Write                   BROADCASTS    1    address=${address}
        Save Settings           address=${address}
        Let Time Pass           0.1
    END
    Stage                   ${IMAGES}/and.img    address=0
    FOR    ${address}    IN    1    2
        Verify                  ${IMAGES}/and.img    address=${address}
        Commit                  ${IMAGES}/and.img    address=${address}
    END
    Set Inputs              1    1    address=0
    Lamp Should Be          lit    first
    Lamp Should Be          lit    second
    Set Inputs              0    1    address=0
    Lamp Should Be          dark    first
    Lamp Should Be          dark    second

*** Keywords ***
Two Nodes Share A Bus
    [Documentation]         A new node has address 1: the second is given its own while it is alone.
    Take An Empty Bus
    Execute Command         emulation CreateUARTHub "wires"
    A Board Is Running      second    uid=0x00000002
    Write                   ADDRESS    2
    Save Settings
    Let Time Pass           0.1
    Nobody Answers At       1
    ${version}=             Read    WIRE_VERSION    address=2
    A Board Is Running      first    uid=0x00000001
    FOR    ${name}    IN    first    second
        Execute Command         mach set "${name}"
        Execute Command         connector Connect sysbus.usart3 wires
    END
    What Happened
