"""Create a Prefect automation that posts failures to a chat.

    python configs/examples/notify.py https://hooks.slack.com/services/…

The address may be of any service that takes a POST of {"text": …}, as Slack and Mattermost do. PREFECT_API_URL names
the Prefect server, which keeps the address as a secret of the block "serl". Run the script again to change the address.
"""

import sys

from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger

NAME = "serl: tell of failures"


def main() -> None:
    webhook = CustomWebhookNotificationBlock(
        name="serl", url="{{url}}", secrets={"url": sys.argv[1]}, json_data={"text": "{{subject}}\n{{body}}"}
    )
    block = webhook.save("serl", overwrite=True)
    automation = Automation(
        name=NAME,
        description="Sends a message when a flow run of serl fails, with its reason and what to do.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed"},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": "serl"},
        ),
        actions=[
            SendNotification(
                block_document_id=block,
                subject="{{ flow_run.name }} failed",
                body="{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
            )
        ],
    )
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(NAME):
            client.delete_automation(old.id)
        client.create_automation(AutomationCore(**automation.model_dump(exclude={"id", "owner_resource"})))
    print(f"automation {NAME!r}: made")


if __name__ == "__main__":
    main()
