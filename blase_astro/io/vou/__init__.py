"""The SED text files of VOU_Blazars: the 'vou-sed' reader, writer and fast path."""
