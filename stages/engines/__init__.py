"""Engines that generate text with a policy: `base` is the protocol, `loader` makes one."""
