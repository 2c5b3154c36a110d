raise RuntimeError('no weather today')
