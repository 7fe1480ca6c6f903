import story
from rudderstack.analytics.client import Client

client = Client(
    story.KEY, host=story.URL, gzip=True, upload_size=7, upload_interval=0.2, on_error=story.complain
)
story.send(client)
client.shutdown()
story.report()
