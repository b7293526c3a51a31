"""The five traces by which the policies of L1 are compared; README.md tells what each is."""
