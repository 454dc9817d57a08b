"""A tiny causal language model with its own tokenizer, made on the spot: something real for `transformers serve`.

Its weights are random, so what it writes is nonsense; it is test equipment, never an answer's source.
"""

from __future__ import annotations

from pathlib import Path

_CORPUS = (
    "The kitchen closes at eleven. How many orders did we have in October? Net sales by branch and month.",
    "La cocina cierra a las once. ¿Cuántos pedidos tuvimos en octubre? Ventas netas por sucursal y mes.",
    "You are the assistant of the organisation. Answer only from the passages, with their numbers in brackets.",
)
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tiny_model(folder: Path) -> Path:
    """Write a Llama of about 130,000 parameters, a BPE tokenizer and a chat template into `folder`; return it.

    Needs torch and transformers, no network. It writes words and never ends by itself, so
    that an answer runs up to its `max_tokens`.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_CORPUS * 4, trainer)
    # transformers leaves its constructors without types.
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")  # type: ignore[no-untyped-call]
    fast.chat_template = _TEMPLATE
    fast.save_pretrained(str(folder))

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8_192,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    # Only whole ASCII words can be written: among random logits a row of zeros never comes out on top.
    words = {at for token, at in fast.get_vocab().items() if token[:1] == "Ġ" and token[1:].isascii() and token[1:]}
    with torch.no_grad():
        model.lm_head.weight[[at for at in range(len(fast)) if at not in words]] = 0.0
    model.save_pretrained(str(folder))
    return folder
