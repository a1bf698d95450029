"""How fast and how small: the board's own ELF counted instruction by instruction, our host on the wire, and the PC.

board  the ELF on the harness of tests/elf, in virtual time: the same figures on every computer
fleet  an image to many nodes, by the characters and silences on the line: the same figures on every computer
wire   our own host and a simulated node that keeps the wire's pace
pc     a training's epoch, beside PyTorch in the same run
data   reading a CSV file: what our checks cost over pandas alone, in the same run
"""
