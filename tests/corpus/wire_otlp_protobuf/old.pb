
W


service.name
webÂ>6

lib1
a 
0123456789abcdefabcdefghur