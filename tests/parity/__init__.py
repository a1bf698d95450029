"""The twins side by side: what Python computes, C computes, to the last bit."""
