"""An agent as somebody writes it in Python, instrumented with OpenInference, whose spans go where
OTEL_EXPORTER_OTLP_ENDPOINT says. Prints the id of its trace."""

import json

from openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
OpenAIInstrumentor().instrument(tracer_provider=provider)
tracer = trace.get_tracer("agent")
client = OpenAI()

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup_order",
            "description": "Where an order is.",
            "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}},
        },
    }
]


def lookup_order(arguments):
    with tracer.start_as_current_span("lookup_order") as span:
        span.set_attribute("openinference.span.kind", "TOOL")
        span.set_attribute("tool.name", "lookup_order")
        span.set_attribute("input.value", arguments)
        span.set_attribute("input.mime_type", "application/json")
        order = json.loads(arguments)["order"]
        span.set_attribute("output.value", f"order {order} is on its way")
        return f"order {order} is on its way"


def run(question):
    with tracer.start_as_current_span("support") as span:
        span.set_attribute("openinference.span.kind", "AGENT")
        span.set_attribute("input.value", question)
        print(f"{span.get_span_context().trace_id:032x}")
        messages = [{"role": "user", "content": question}]
        asked = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, tools=TOOLS, temperature=0.5
        ).choices[0].message
        messages.append(asked.model_dump(exclude_none=True))
        for call in asked.tool_calls:
            answer = lookup_order(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": answer})
        stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        span.set_attribute("output.value", text)
        try:
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "what nobody has an answer to"}]
            )
        except Exception:  # noqa: BLE001
            pass
        return text


with using_attributes(session_id="s1", user_id="u1", tags=["python"], metadata={"plan": "pro"}):
    run("Where is order 7?")
provider.shutdown()
