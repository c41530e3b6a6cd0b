"""Where the vendors' APIs stand that other gateways know by name, and which dialect each speaks.

Addresses are those of the vendors' own documentation. A vendor whose API no dialect can call (Vertex and Bedrock sign
requests in ways of their own) is not here; a deployment of it is reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vendor:
    """How a vendor is called: dialect, base URL (None: the source must say it), and the usual variable of its key."""

    name: str
    dialect: str
    base_url: str | None
    variable: str | None = None


def _openai(name: str, base_url: str | None, variable: str | None = None) -> Vendor:
    return Vendor(name, "openai", base_url, variable)


VENDORS = (
    _openai("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Vendor("anthropic", "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    Vendor("gemini", "gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    Vendor("ollama", "ollama", "http://127.0.0.1:11434"),
    _openai("azure", None, "AZURE_API_KEY"),
    _openai("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    _openai("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    _openai("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    _openai("together", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    _openai("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    _openai("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    _openai("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    _openai("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    _openai("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    _openai("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    _openai("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    _openai("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    _openai("cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    _openai("huggingface", "https://router.huggingface.co/v1", "HUGGINGFACE_API_KEY"),
    _openai("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    _openai("hyperbolic", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    _openai("nebius", "https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    _openai("novita", "https://api.novita.ai/v3/openai", "NOVITA_API_KEY"),
    _openai("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    _openai("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    _openai("minimax", "https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    _openai("lambda", "https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    _openai("nscale", "https://inference.api.nscale.com/v1", "NSCALE_API_KEY"),
    _openai("volcengine", "https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    _openai("vercel", "https://ai-gateway.vercel.sh/v1", "VERCEL_AI_GATEWAY_API_KEY"),
    _openai("vllm", None),
)

_BY_NAME = {vendor.name: vendor for vendor in VENDORS}

_ALIASES = {
    "together_ai": "together",
    "together-ai": "together",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
    "perplexity-ai": "perplexity",
    "mistral-ai": "mistral",
    "x-ai": "xai",
    "google": "gemini",
    "azure-openai": "azure",
    "azure_ai": "azure",
    "ollama_chat": "ollama",
    "nvidia_nim": "nvidia",
    "cohere_chat": "cohere",
    "lambda_ai": "lambda",
    "vercel_ai_gateway": "vercel",
    "hosted_vllm": "vllm",
    "openai_like": "vllm",
    "custom_openai": "vllm",
    "litellm_proxy": "vllm",
    "lm_studio": "vllm",
    "llamafile": "vllm",
    "docker_model_runner": "vllm",
    "sgl": "vllm",
}
"""What else the peers call a vendor."""


def vendor(name: str) -> Vendor | None:
    """The vendor that a peer calls by this name; None where no dialect can call it."""
    lower = name.lower()
    return _BY_NAME.get(_ALIASES.get(lower, lower))


def vendor_of_model(model: str) -> Vendor | None:
    """The vendor whose models are called like this, where the name alone tells."""
    starts = {"openai": ("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "ft:gpt-"), "anthropic": ("claude-",)}
    return next((_BY_NAME[name] for name, begins in starts.items() if model.startswith(begins)), None)


def azure_base(endpoint: str) -> str:
    """The base URL of an Azure OpenAI resource, whatever of it was written (v1 of its API; model ids are deployments)."""
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{rest.split('/')[0]}/openai/v1"


_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:-preview)?")
"""A version of Azure's older API; there the deployment stands in the path."""


def azure_at(base: str, version: str | None) -> str | None:
    """The address of Azure's older API in a version, from that of its v1; None where the version is not one of it."""
    if version is None or _DATED.fullmatch(version) is None:
        return None
    return f"{base.removesuffix('/v1')}/deployments/{{model}}?api-version={version}"


def unwritten(variable: str) -> str:
    """An address that nobody can reach (RFC 2606), for one that the source leaves to a variable."""
    return f"https://{variable.lower().replace('_', '-')}.invalid"


def base_of(vendor: Vendor, address: str) -> str:
    """The base URL that an address means for this vendor, with the version that the peers add by themselves."""
    if vendor.name == "azure":
        return azure_base(address)
    base = address.split("?")[0].rstrip("/")
    version = {"anthropic": "/v1", "gemini": "/v1beta"}.get(vendor.dialect)
    if vendor.dialect == "ollama":
        return base.removesuffix("/api").removesuffix("/v1")
    for ending in ("/chat/completions", "/embeddings", "/messages"):
        base = base.removesuffix(ending)
    return base if version is None or base.rsplit("/", 1)[-1].startswith("v1") else base + version


_COMPATIBLE = {"gemini": "/openai", "ollama": "/v1"}
"""Where, below its own API, a vendor speaks OpenAI's as well."""


def compatible(vendor: Vendor, base_url: str) -> tuple[str, str]:
    """The dialect and base URL for embeddings, which are not translated: OpenAI's, where the vendor speaks it too."""
    ending = _COMPATIBLE.get(vendor.dialect)
    return (vendor.dialect, base_url) if ending is None else ("openai", base_url + ending)
