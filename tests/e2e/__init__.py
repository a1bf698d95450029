"""From the person's command to the lamp, over a real Modbus RTU line."""
