"""The catalogue (plumbline.yaml): its shape, its loader with line numbers, its checks."""
