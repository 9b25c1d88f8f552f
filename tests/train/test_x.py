def test_a(trained, prepared):
    import torch,subprocess
    print(subprocess.run(["find",str(trained.parent)],capture_output=True,text=True).stdout)
    c=torch.load(trained/"last.ckpt",weights_only=True)
    print(c.keys(),c["global_step"],c["epoch"], c["understudy"])
    b=torch.load(trained/"best.ckpt",weights_only=True)
    print(b["global_step"], b["callbacks"])
    assert 0
