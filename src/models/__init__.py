"""Networks only: plain `nn.Module`s that know no files, no Hydra and no Lightning."""
