"""Composition: which components a stack is made of, and what they get of each other.

Owns the explicit providers, and no other resource. A platform's composition is imported for its own stacks only: each
cloud's SDK costs every other stack's start 40 ms.
"""
