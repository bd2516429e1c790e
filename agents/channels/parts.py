"""Which texts a message consists of, by channel: one template file `<template>.<part>.j2` each."""

from schemas.units import Channel

PARTS: dict[Channel, tuple[str, ...]] = {
    Channel.EMAIL: ("subject", "txt", "html"),
    Channel.SMS: ("txt",),
    Channel.PHONE: ("txt",),
    Channel.PUSH: ("title", "txt"),
    Channel.IN_APP: ("txt",),
    Channel.AGENT_ALERT: ("txt",),
    Channel.CRM_WORKFLOW: ("txt",),
    Channel.CRM_TASK: ("title", "txt"),
    Channel.WEBHOOK: (),
}
